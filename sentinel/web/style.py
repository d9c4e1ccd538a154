"""The style sheets of our pages: two palettes, one column on a phone, nothing from elsewhere.

`CSS` is of all of them, `PAGE` of the live ones only, `EVIDENCE` of what an auditor keeps.
Every pair of colours has a contrast of at least 4.5 to 1 (WCAG AA), in both palettes; and no colour
says anything that is not said in words beside it.
"""

CSS = """
:root { --bg: #fbfbfa; --card: #fff; --ink: #1c1e21; --faint: #5d646c; --line: #dcdfe3;
  --bad: #b3211b; --bad-bg: #fdeceb; --warn: #8a4b00; --warn-bg: #fff3dd;
  --ok: #14683a; --ok-bg: #e6f5ec; --calm: #2c5585; --calm-bg: #e8f0f9; }
@media (prefers-color-scheme: dark) { :root { --bg: #15181b; --card: #1d2125; --ink: #e7e9eb;
  --faint: #a3abb3; --line: #363c43; --bad: #ff9d96; --bad-bg: #45191a; --warn: #ffc46b;
  --warn-bg: #3d2c0d; --ok: #7fdba2; --ok-bg: #12351f; --calm: #a4c8f3; --calm-bg: #1b2f47; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 1rem 1.25rem 3rem; background: var(--bg);
  color: var(--ink); font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
code, pre { font: .92em/1.45 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
  overflow-wrap: anywhere; }
pre code { overflow-wrap: normal; }
a { color: var(--calm); }
.top { margin: .25rem 0 1rem; padding: .9rem 1.1rem; border-radius: .5rem; border-left: .4rem solid;
  font-size: 1.35rem; font-weight: 500; line-height: 1.35; }
h1.top { margin-bottom: .6rem; } .top .word { font-weight: 800; margin-right: .35rem; }
.top.bad { background: var(--bad-bg); } .top.warn { background: var(--warn-bg); }
.top.ok { background: var(--ok-bg); } .top.calm { background: var(--calm-bg); }
h2 { margin: 2rem 0 .6rem; font-size: 1.1rem; }
h3 { margin: 0 0 .7rem; font-size: 1.15rem; font-weight: 600; }
.brand { margin: 0; color: var(--faint); } .brand b { color: var(--ink); }
.bad { color: var(--bad); } .warn { color: var(--warn); } .ok { color: var(--ok); }
.calm { color: var(--calm); } .faint { color: var(--faint); }
.reasons { margin: 0 0 1rem; padding-left: 1.4rem; overflow-wrap: anywhere; }
.figures { display: flex; flex-wrap: wrap; gap: .5rem 2.5rem; margin: 0; }
.figures dt, .facts dt, .label { color: var(--faint); font-size: .9rem; }
.figures dd { margin: 0; font-size: 1.1rem; }
.facts { margin: 0 0 .8rem; }
.facts div { display: grid; grid-template-columns: 9rem 1fr; gap: .2rem 1rem; padding: .12rem 0; }
.facts dd { margin: 0; overflow-wrap: anywhere; }
.breach { margin: 0 0 1rem; padding: 1rem 1.2rem; background: var(--card); border-radius: .5rem;
  border: 1px solid var(--bad); border-left: .4rem solid var(--bad); }
.breach p { margin: .3rem 0; }
pre { margin: .2rem 0 .5rem; padding: .7rem .9rem; background: var(--bg); overflow-x: auto;
  border: 1px solid var(--line); border-radius: .35rem; }
table { width: 100%; border-collapse: collapse; background: var(--card); }
th, td { padding: .45rem .7rem; text-align: left; vertical-align: top; font-weight: 400;
  border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
thead th { color: var(--faint); font-size: .9rem; white-space: nowrap; }
tbody th { font-weight: 600; min-width: 9rem; }
.gates td:nth-child(3) { min-width: 8rem; overflow-wrap: normal; }
.gates td:nth-child(2), .ended td { min-width: 6rem; }
th.number, td.number { text-align: right; font-variant-numeric: tabular-nums; width: 7rem; }
time { white-space: nowrap; } time small { color: var(--faint); margin-left: .25rem; }
.targets + .facts { margin-top: .8rem; color: var(--faint); }
img.failover { max-width: 100%; height: auto; }
footer { margin-top: 2.5rem; padding-top: .8rem; border-top: 1px solid var(--line);
  color: var(--faint); font-size: .9rem; }
footer p { margin: .2rem 0; }
@media (max-width: 44rem) {
  body { padding: .8rem .8rem 2rem; }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  table, tbody, tr, th, td { display: block; width: auto; }
  tr { padding: .5rem 0; border-bottom: 1px solid var(--line); }
  th, td, td.number, tbody th, .gates td:nth-child(n) { border: 0; min-width: 0; width: auto;
    padding: .1rem .7rem; text-align: left; }
  td[data-label] { display: grid; grid-template-columns: 8rem 1fr; gap: .8rem; }
  td[data-label]::before { content: attr(data-label); color: var(--faint); font-size: .9rem; }
  td:empty, td.number.faint { display: none; }
  .facts div { grid-template-columns: 1fr; gap: 0; padding: .25rem 0; }
  time { white-space: normal; } time small { white-space: nowrap; margin-left: 0; }
}
"""

PAGE = """
.skip { position: absolute; left: -100rem; padding: .5rem 1rem; background: var(--card); }
.skip:focus { left: .5rem; top: .5rem; z-index: 3; } #main:focus { outline: none; }
:focus-visible { outline: .2rem solid var(--calm); outline-offset: .15rem; }
.above { display: flex; flex-wrap: wrap; justify-content: space-between; gap: .2rem 1rem; }
.live { margin: 0; color: var(--faint); font-size: .9rem; } .live.warn { color: var(--warn); font-weight: 600; }
.find { display: flex; flex-wrap: wrap; gap: .5rem .8rem; align-items: center; margin: 0 0 .8rem; }
.find input, .find button { font: inherit; padding: .3rem .6rem; color: var(--ink); background: var(--card);
  border: 1px solid var(--faint); border-radius: .3rem; }
.find button { cursor: pointer; }
details { margin: .8rem 0; } summary { cursor: pointer; padding: .3rem 0; color: var(--ok); font-weight: 600; }
.proven { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: 0 1.5rem;
  list-style: none; margin: .3rem 0; padding: 0; font-variant-numeric: tabular-nums; }
.proven li { display: flex; justify-content: space-between; gap: .8rem; overflow-wrap: anywhere;
  padding: .1rem 0; border-bottom: 1px solid var(--line); }
.proven time { color: var(--faint); }
.wide { overflow-x: auto; } .matrix th, .matrix td { overflow-wrap: normal; white-space: nowrap; }
.matrix tbody th { position: sticky; left: 0; background: var(--card); }
.matrix td.bad { background: var(--bad-bg); font-weight: 800; } .matrix td.warn { background: var(--warn-bg); }
.ways + .facts { margin-top: .6rem; }
.matrix td time { white-space: nowrap; color: var(--faint); font-variant-numeric: tabular-nums; }
.timeline { margin: 0 0 1rem; } .timeline svg { display: block; width: 100%; height: 1.5rem; }
.timeline figcaption { font-weight: 600; margin-bottom: .2rem; }
.ends { display: flex; justify-content: space-between; margin: .1rem 0; color: var(--faint); font-size: .85rem; }
svg .is-bad { fill: var(--bad); } svg .is-warn { fill: var(--warn); } svg .is-ok { fill: var(--ok); }
svg .is-calm { fill: var(--calm); } svg .is-none { fill: var(--line); }
.turns th, .records th { font-weight: 400; } .unproven td:nth-child(4) { min-width: 8rem; }
@media (max-width: 44rem) {
  .matrix { display: table; } .matrix thead { position: static; width: auto; height: auto; clip-path: none;
    display: table-header-group; } .matrix tbody { display: table-row-group; } .matrix tr { display: table-row; }
  .matrix th, .matrix td, .matrix tbody th { display: table-cell; padding: .4rem .7rem;
    border-bottom: 1px solid var(--line); }
}
"""

EVIDENCE = """
svg { display: block; width: 100%; height: auto; background: var(--card); border: 1px solid var(--line); }
svg text { font: 12px system-ui, sans-serif; fill: var(--ink); } svg .tick { fill: var(--faint); }
svg .grid { stroke: var(--line); } svg .is-bad { fill: var(--bad); } svg .is-warn { fill: var(--warn); }
svg .is-ok { fill: var(--ok); } svg .is-calm { fill: var(--calm); } svg .is-none { fill: var(--line); }
.wide td, .wide th { overflow-wrap: break-word; }
.legend { color: var(--faint); font-size: .9rem; } .wide { overflow-x: auto; }
:focus-visible { outline: .2rem solid var(--calm); outline-offset: -.2rem; }
@media screen { svg { min-width: 42rem; } }
@media print { body { max-width: none; } }
"""
