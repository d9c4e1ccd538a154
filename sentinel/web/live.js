// Keeps the page as it is now, and the reader where they are: the new page is laid over the old one node by
// node, so that focus, selection, scrolling and what was unfolded stay. Without this script the page loads
// itself anew; with it, and without a connection, it says since when it is not live.
"use strict";

const SILENCE = 15000; // ms: three beats
const AGAIN = 5000;
const WAIT = 10000;
const line = document.getElementById("live");
let source = null;
let heard = Date.now();
let fetching = false;
let wanted = false;

function say(text, mood) {
  if (line.textContent !== text) line.textContent = text;
  line.className = `live ${mood}`;
}

function lost(why) {
  say(`Not live since ${new Date(heard).toISOString().slice(11, 19)} UTC: ${why}`, "warn");
}

function alive() {
  heard = Date.now();
  say("Live", "ok");
}

function same(one, other) {
  return one.nodeType === other.nodeType && one.nodeName === other.nodeName && (one.id || "") === (other.id || "");
}

function lay(fresh, old) {
  if (old === line) return;
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
    return;
  }
  if (old.isEqualNode(fresh)) return;
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  for (const { name } of [...old.attributes]) {
    // What the reader unfolded stays so.
    if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  }
  const named = new Map([...old.children].filter((child) => child.id).map((child) => [child.id, child]));
  let place = old.firstChild;
  for (const next of [...fresh.childNodes]) {
    let match = next.id ? named.get(next.id) : place;
    if (!match || !same(match, next)) {
      old.insertBefore(document.importNode(next, true), place);
      continue;
    }
    // What is gone from between is taken out; moving the one that stays would take its focus away.
    while (next.id && place !== match && !(place.id && fresh.querySelector(`#${CSS.escape(place.id)}`))) {
      const gone = place;
      place = place.nextSibling;
      gone.remove();
      if (!place) break;
    }
    if (place === match) place = place.nextSibling;
    else old.insertBefore(match, place);
    lay(next, match);
  }
  while (place) {
    const gone = place;
    place = place.nextSibling;
    gone.remove();
  }
}

async function look() {
  wanted = true;
  if (fetching) return;
  fetching = true;
  try {
    while (wanted) {
      wanted = false;
      const reply = await fetch(location.href, { signal: AbortSignal.timeout(WAIT) });
      if (!reply.ok) throw new Error(`HTTP ${reply.status}`);
      const page = new DOMParser().parseFromString(await reply.text(), "text/html");
      document.title = page.title;
      lay(page.body, document.body);
    }
  } catch {
    lost("the page cannot be fetched; trying again");
  } finally {
    fetching = false;
  }
}

function connect() {
  if (source) source.close();
  source = new EventSource("/events");
  source.addEventListener("look", () => {
    alive();
    look();
  });
  source.addEventListener("beat", alive);
  source.addEventListener("error", () => {
    if (source.readyState !== EventSource.CLOSED) return lost("the connection is gone; trying again");
    // Refused: so many look already. Then it is asked again and again, as without events.
    lost(`no stream for this page; asking every ${AGAIN / 1000} s`);
    look();
    setTimeout(connect, AGAIN);
  });
}

setInterval(() => {
  if (!document.hidden && Date.now() - heard > SILENCE && source.readyState === EventSource.OPEN) {
    lost("nothing is heard; trying again");
    connect();
  }
}, 1000);

document.addEventListener("visibilitychange", () => {
  // Nobody looks: nothing is asked for, and the stream is left to somebody who does.
  if (document.hidden) source.close();
  else connect();
});

connect();
