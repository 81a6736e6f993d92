/** The catalogue page's style and script. Both are in the page itself, and the page allows these two and nothing else. */

export const pageStyle = `
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --paper: #fff; --card: #f6f8fa; --edge: #d0d7de; --link: #0550ae; --mark: #6639ba; --good: #116329; --bad: #a40e26; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --soft: #9ea7b3; --paper: #0d1117; --card: #161b22; --edge: #3d444d; --link: #79b8ff; --mark: #c297ff; --good: #56d364; --bad: #ff938a; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 1.5rem 1rem 4rem; background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .25rem; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
h3 { font-size: .95rem; margin: 1rem 0 .25rem; }
p { margin: .25rem 0 .75rem; }
a { color: var(--link); }
.soft { color: var(--soft); }
footer { margin-top: 1.5rem; }
.chart { margin: 1rem 0; }
figcaption { font-weight: 600; margin-bottom: .5rem; }
.plot { display: grid; grid-template-columns: 5.5rem 1fr; gap: .25rem .75rem; margin-bottom: .75rem; font-size: .85rem; }
.plot b { grid-column: 1 / -1; font-weight: 500; }
.scale { display: flex; flex-direction: column; justify-content: space-between; text-align: right; line-height: 1; font-size: .8rem; color: var(--soft); }
.axis { display: flex; justify-content: space-between; margin-left: 6.25rem; font-size: .8rem; color: var(--soft); }
svg { width: 100%; height: 5.5rem; display: block; overflow: visible; }
svg path { fill: none; vector-effect: non-scaling-stroke; }
.grid { stroke: var(--edge); stroke-width: 1; }
.line { stroke: var(--mark); stroke-width: 2; stroke-linejoin: round; }
.dots { stroke: var(--mark); stroke-width: 6; stroke-linecap: round; }
ol { list-style: none; margin: 0; padding: 0; border: 1px solid var(--edge); border-radius: .5rem; overflow: clip; }
li + li { border-top: 1px solid var(--edge); }
summary { display: grid; grid-template-columns: 1.25rem minmax(11rem, 1.5fr) 1.6fr 1fr 1.4fr; gap: .25rem .75rem; align-items: baseline; padding: .5rem .75rem; cursor: pointer; }
summary::-webkit-details-marker { display: none; }
summary::before { content: "+"; color: var(--soft); }
details[open] > summary::before { content: "−"; }
summary:hover, details[open] > summary { background: var(--card); }
:focus-visible { outline: 3px solid var(--link); outline-offset: -3px; }
.when { font-weight: 600; }
.when .age { display: block; font-weight: 400; font-size: .85rem; }
.good { color: var(--good); }
.bad { color: var(--bad); font-weight: 600; }
.more { padding: .25rem .75rem 1rem 2.75rem; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(12rem, 1fr)); gap: .5rem 1rem; margin: .5rem 0; }
dt { font-size: .8rem; color: var(--soft); }
dd { margin: 0; }
pre { margin: .25rem 0; padding: .6rem .75rem; background: var(--card); border: 1px solid var(--edge); border-radius: .4rem; font: .8rem/1.5 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
.code { position: relative; }
.code button { position: absolute; top: .3rem; right: .3rem; }
.copyable pre { padding-right: 5rem; }
button, input { font: inherit; color: inherit; background: var(--card); border: 1px solid var(--edge); border-radius: .4rem; padding: .3rem .7rem; }
button { cursor: pointer; font-size: .8rem; }
input { width: 100%; margin-bottom: .75rem; padding: .5rem .7rem; }
label { display: block; font-size: .85rem; color: var(--soft); }
@media (max-width: 42rem) {
  summary { grid-template-columns: 1.25rem minmax(0, 1fr) minmax(0, auto); }
  summary > :nth-child(1) { grid-area: 1 / 2 / 2 / 4; }
  summary > :nth-child(2) { grid-area: 2 / 2; }
  summary > :nth-child(3) { grid-area: 2 / 3; text-align: right; }
  summary > :nth-child(4) { grid-area: 3 / 2 / 4 / 4; }
  .more { padding-left: .75rem; }
}
@media print { details > .more { display: block; } }
`;

/** Adds what needs to know the reader's moment or address: ages, copying, a filter. The page is whole without it. */
export const pageScript = `
(() => {
  const units = [["day", 864e5], ["hour", 36e5], ["minute", 6e4]];
  const words = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  for (const time of document.querySelectorAll("time[data-age]")) {
    const ms = Date.parse(time.dateTime) - Date.now();
    const [unit, size] = units.find(([, size]) => Math.abs(ms) >= size) ?? units[2];
    const age = document.createElement("span");
    age.className = "age soft";
    age.textContent = " " + words.format(Math.round(ms / size), unit);
    time.after(age);
  }
  const onTheWeb = location.protocol.startsWith("http") && location.search === "";
  for (const pre of document.querySelectorAll("pre[data-keys]")) {
    if (!onTheWeb) break;
    const urls = pre.dataset.keys.split(" ").map((key) => new URL(key, location.href).href.replaceAll("'", "%27"));
    const lines = urls.map((url) => "curl --fail --location --retry 9 --continue-at - --remote-name '" + url + "'");
    pre.textContent = lines.join("\\n");
  }
  for (const code of document.querySelectorAll(".code")) {
    const pre = code.firstElementChild;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Copy";
    button.setAttribute("aria-label", "Copy: " + code.previousElementSibling.textContent);
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(pre.textContent);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(pre);
        button.textContent = "Selected";
      }
    });
    code.classList.add("copyable");
    code.append(button);
  }
  const items = [...document.querySelectorAll("li[data-words]")];
  const list = document.querySelector("ol");
  if (items.length < 8 || list === null) return;
  const label = document.createElement("label");
  const input = document.createElement("input");
  const count = document.createElement("p");
  label.textContent = "Show those with these words (network, height, node version, date)";
  input.type = "search";
  count.className = "soft";
  count.setAttribute("role", "status");
  label.append(input);
  list.before(label, count);
  input.addEventListener("input", () => {
    const wanted = input.value.toLowerCase().split(/\\s+/).filter(Boolean);
    let shown = 0;
    for (const item of items) {
      item.hidden = !wanted.every((word) => item.dataset.words.includes(word));
      if (!item.hidden) shown += 1;
    }
    count.textContent = wanted.length === 0 ? "" : shown + " of " + items.length;
  });
})();
`;
