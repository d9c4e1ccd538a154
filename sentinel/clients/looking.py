"""What a user can see of a page, said in the page's own language.

A text is visible if it is laid out, not transparent, within the page, not cut away by what holds
it, and drawn. What is typed into fields is no text. Open shadow trees are looked into; other frames
are not.
"""

LOOK = """
([prompt, selector, most]) => {
  const above = (node) => node.parentElement || (node.getRootNode() instanceof ShadowRoot && node.getRootNode().host);
  const cut = (rect, box) => rect.right <= box.left || rect.left >= box.right || rect.bottom <= box.top
    || rect.top >= box.bottom;
  const held = (element, rect) => {
    for (let e = element; e && e !== document.body && e !== document.documentElement; e = above(e)) {
      const style = getComputedStyle(e);
      if (/hidden|clip/.test(style.overflow) && cut(rect, e.getBoundingClientRect())) return false;
      if (/^inset\\((50|100)%\\)$|^rect\\(0px,? 0px,? 0px,? 0px\\)$|^circle\\(0/.test(style.clipPath)) return false;
    }
    return true;
  };
  const drawn = (element) => element.checkVisibility({
    opacityProperty: true, visibilityProperty: true, contentVisibilityAuto: true,
  }) && !/rgba\\(.*, 0\\)|^transparent$/.test(getComputedStyle(element).color);
  const visible = (text) => {
    const element = text.parentElement || (text.parentNode instanceof ShadowRoot && text.parentNode.host);
    if (!element || !text.data.trim() || !drawn(element)) return false;
    const range = document.createRange();
    range.selectNodeContents(text);
    return [...range.getClientRects()].some((rect) => rect.width > 1 && rect.height > 1
      && rect.right + scrollX > 0 && rect.bottom + scrollY > 0 && held(element, rect));
  };
  const block = (element) => !/^(inline|contents)/.test(getComputedStyle(element).display);
  const untold = new Set(['SCRIPT', 'STYLE', 'TEXTAREA', 'NOSCRIPT', 'TEMPLATE']);
  const told = (root, out) => {
    const folded = root.tagName === 'DETAILS' && !root.open;
    for (const node of root.childNodes) {
      if (out.size > most) return;
      if (folded && node.tagName !== 'SUMMARY') continue;
      if (node.nodeType === Node.TEXT_NODE) {
        if (visible(node)) { out.parts.push(node.data); out.size += node.data.length; }
      } else if (node.nodeType === Node.ELEMENT_NODE && !untold.has(node.tagName)) {
        const line = node.tagName === 'BR' || block(node);
        if (line) out.parts.push('\\n');
        if (node.shadowRoot) told(node.shadowRoot, out);
        told(node, out);
        if (line) out.parts.push('\\n');
      }
    }
  };
  const words = (root) => {
    const out = {parts: [], size: 0};
    if (root) told(root, out);
    return out.parts.join('').replace(/[ \\t]*\\n\\s*/g, '\\n').slice(0, most);
  };
  const all = (selector, root = document, found = []) => {
    found.push(...root.querySelectorAll(selector));
    for (const e of root.querySelectorAll('*')) if (e.shadowRoot) all(selector, e.shadowRoot, found);
    return found;
  };
  const large = (rect) => rect.width > 1 && rect.height > 1;
  return {
    text: words(document.body),
    answers: all(selector).slice(0, 500).map(words),
    field: all(prompt).some((e) => e.checkVisibility({visibilityProperty: true}) && large(e.getBoundingClientRect())),
  };
}
"""
"""A function of two CSS selectors, of the field to write in and of answers, and the most characters of each text."""
