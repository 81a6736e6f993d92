var J=Object.freeze,ee=Object.defineProperty;var Y=(U,D)=>J(ee(U,"raw",{value:J(D||U.slice())}));var K;const ne=263,ae=[263],oe={68301:((U,D,g)=>{g.d(D,{T2:()=>$,Xm:()=>C});function C({storageUrl:l,key:k,hasSha256:S}){const M=l.replace(/\/+$/,""),v=k.split("/").at(-1)??k;return{download:(S?[k,`${k}.sha256`]:[k]).map(x=>w(`${M}/${x}`)),verify:[S?`sha256sum -c ${y(`${v}.sha256`)}`:`zstd -t ${y(v)}`],unpack:[`tar --zstd -xf ${y(v)}`]}}function $(l,k,S){return["- uses: OWNER/chainstate-snapshot@v0","  with:","    command: restore",`    storage: ${l}`,`    snapshot: ${k}`,`    chainstate-dir: /var/stacks/${S}`].join(`
`)}function w(l){const k=/^([a-z0-9]+):\/\//.exec(l)?.[1];if(k==="s3")return`aws s3 cp ${y(l)} .`;if(k==="gs")return`gcloud storage cp ${y(l)} .`;if(k==="file")return`cp ${y(decodeURIComponent(new URL(l).pathname))} .`;if(k==="az"){const[S="",M="",...v]=l.slice(5).split("/");return`az storage blob download ${[["--account-name",S],["--container-name",M],["--name",v.join("/")],["--file",v.at(-1)??""]].map(([z="",E=""])=>`${z} ${y(E)}`).join(" ")}`}return`curl --fail --location --retry 9 --continue-at - --remote-name ${y(l)}`}function y(l){return/^[A-Za-z0-9_@%+=:,./-]+$/.test(l)&&!l.startsWith("-")?l:`'${l.replaceAll("'","'\\''")}'`}}),9688:((U,D,g)=>{g.d(D,{Qj:()=>N,eN:()=>L,mk:()=>I,Lq:()=>H});var C=g(57975),$=g(19473),w=g(37218),y=g(29063),l=g(68970),k=g(31323),S=g(28990);const M=40,v=50,x=2e3,z=1500;async function E(u,h,p,f,m){for(let n=0;n<M;n+=1){const a=await O(u,h,m),r=await p(a?.bytes);if(r===void 0)return;if(await j(u,h,r,a,m)){if(u.capabilities.conditionalWrites)return;await f.sleep(z*(.5+Math.random()),m);continue}const e=Math.min(x,v*2**n);await f.sleep(e*(.5+Math.random()),m)}throw new $.lZ("CATALOG_BUSY",`${u.urlOf(h)} was changed by others each of ${M} times.`,{hint:"Run this again, and let fewer hosts publish to one prefix at the same moment."})}async function O(u,h,p){try{const{bytes:f,info:m}=await u.get(h,{signal:p});return{bytes:f,etag:m.etag}}catch(f){if((0,$.up)(f,"OBJECT_NOT_FOUND"))return;throw f}}async function j(u,h,p,f,m){const n=f===void 0?{ifAbsent:!0}:f.etag===void 0?{}:{ifMatch:f.etag};try{return await u.put(h,p,{...n,contentType:"application/json",signal:m}),!0}catch(a){if((0,$.up)(a,"PRECONDITION_FAILED"))return!1;throw a}}async function I(u,h,p,f=w.m){const{manifest:m,bytes:n}=(0,k.H)(h);return await R(u,m,p),await F(u,m.id,n,p),await P(u,(0,y.Ms)(m),f,p),await B(u,m,f,p),await u.delete((0,l.Eo)(m.id),p),m}async function L(u,h,p,f,m){for(let n=0;n<60;n+=1){const a=new Date(p.getTime()+n*1e3),r=(0,l.iy)(h.network,h.stacksHeight,a),e=Buffer.from(`${JSON.stringify({runId:f,at:p.toISOString()})}
`);try{if(await u.head((0,l.Rn)(r),m)!==void 0)continue;return await u.put((0,l.Eo)(r),e,{ifAbsent:!0,contentType:"application/json",signal:m}),{id:r,at:a}}catch(t){if(!(0,$.up)(t,"PRECONDITION_FAILED"))throw t}}throw new $.lZ("SNAPSHOT_EXISTS",`Sixty snapshots of height ${h.stacksHeight} are being made in ${u.url}.`,{hint:"Give each host a prefix of its own."})}async function H(u,h,p,f=!1){const m=new Map((await(0,S.ak)(u,p))?.map(o=>[o.id,o])),n=await(0,S.Az)(u,p,f?m:new Map),a=n.entries.map(o=>({...m.get(o.id),...o})),r=new Set(a.map(({id:o})=>o)),e=a.filter(o=>!(0,C.isDeepStrictEqual)(m.get(o.id),o)),t=[...m.keys()].filter(o=>!r.has(o));(e.length>0||t.length>0)&&await N(u,e,t,h,p);const[i]=a;return i!==void 0&&await B(u,i,h,p),{entries:a,refused:n.refused,repaired:[...e.map(({id:o})=>o),...t]}}async function N(u,h,p,f,m){const n=new Set([...h.map(({id:a})=>a),...p]);await E(u,l.Vz,async a=>{const r=a===void 0?void 0:(0,y.uM)(a,u.urlOf(l.Vz))?.snapshots,t=[...(r??(await(0,S.Az)(u,m)).entries).filter(({id:i})=>!n.has(i)),...h].sort(y.Kd);if(!(0,C.isDeepStrictEqual)(r,t))return(0,y.Jj)(t,new Date(f.now()))},f,m)}async function R(u,h,p){const{archive:f}=h;if(f!==void 0)for(const{key:m,size:n}of[f,f.index]){const a=await u.head(m,p);if(a?.size===n)continue;const r=a===void 0?"does not exist":`has ${a.size} bytes instead of ${n}`;throw new $.lZ("SNAPSHOT_INCOMPLETE",`${u.urlOf(m)} ${r}, so the snapshot is not published.`,{hint:"Something else writes to that prefix, or the store lost it. Run this again."})}}async function F(u,h,p,f){const m=(0,l.Rn)(h);try{await u.put(m,p,{ifAbsent:!0,contentType:"application/json",signal:f})}catch(n){if(!(0,$.up)(n,"PRECONDITION_FAILED"))throw n;const a=await u.get(m,{signal:f});if(Buffer.compare(a.bytes,p)===0)return;throw new $.lZ("SNAPSHOT_EXISTS",`There is a snapshot ${h} in ${u.url} already; it is never overwritten.`,{cause:n,hint:"Another host published the same height in the same second. Run this again."})}}async function P(u,h,p,f){await N(u,[h],[],p,f),u.capabilities.conditionalWrites||await H(u,p,f,!0)}async function B(u,h,p,f){const m=Buffer.from(`${JSON.stringify({id:h.id,manifest:(0,l.Rn)(h.id)})}
`);await E(u,l.p8,async n=>{const a=n===void 0?void 0:(0,S.Eg)(n);if(a===h.id)return;const r=a===void 0?void 0:await W(u,a,f);return r!==void 0&&(0,y.Kd)(r,h)<0?void 0:m},p,f)}async function W(u,h,p){try{return await(0,S.eY)(u,h,p)}catch(f){if(f instanceof $.lZ&&S.$m.has(f.code))return;throw f}}}),2388:((U,D,g)=>{g.d(D,{Vs:()=>k,sd:()=>S});var C=g(77934),$=g(19473),w=g(68970);const y=C._H3({until:C.FsL(C.YjP(),C.yhX())}),l=36*36e5;async function k(v,x,z,E,O){if(v.capabilities.readOnly)return;const j=`${(0,w.db)(x)}${z.replaceAll(/[^A-Za-z0-9_-]/g,"_")}.json`,I=new Date(E.now()+l).toISOString();try{await v.put(j,Buffer.from(`${JSON.stringify({until:I})}
`),{contentType:"application/json",signal:O})}catch(R){if((0,$.up)(R,"STORE_DENIED")||(0,$.up)(R,"STORE_READ_ONLY"))return;throw R}const L=async R=>await v.delete(j,R),[H,N]=await Promise.all([v.head((0,w.Rn)(x),O),v.head((0,w.Z7)(x),O)]);if(H!==void 0&&N===void 0)return{withdraw:L};throw await L(O),new $.lZ("SNAPSHOT_GONE",`Snapshot ${x} is being removed from ${v.url}.`,{hint:"Choose another snapshot; `latest` never is."})}async function S(v,x,z,E){for await(const{key:O}of v.list((0,w.db)(x),E))if(await M(v,O,z,E))return!0;return!1}async function M(v,x,z,E){try{const{bytes:O}=await v.get(x,{signal:E}),j=C.xLC(y,JSON.parse(Buffer.from(O).toString("utf8")));return!j.success||Date.parse(j.output.until)>z.now()}catch(O){if((0,$.up)(O,"OBJECT_NOT_FOUND"))return!1;if(O instanceof SyntaxError)return!0;throw O}}}),67263:((U,D,g)=>{g.r(D),g.d(D,{applyRetention:()=>m,prune:()=>f});var C=g(77934),$=g(37218),w=g(68970),y=g(49227),l=g(9688),k=g(2388),S=g(28990),M=g(29063);function v(n,a,r=new Set){const e=new Map(n.map(({id:o})=>[o,[]])),t=(o,s)=>{o!==void 0&&e.get(o)?.push(s)},i=x(a);for(const o of O(n)){const s=o.toSorted(M.Kd);if(i.length===0)for(const{id:c}of s)t(c,"no rule is set");for(const c of i)z(c,s,t);t(s[0]?.id,"newest"),t(E(s)?.id,"newest verified");for(const{id:c,pinned:d}of s)d&&t(c,"pinned"),r.has(c)&&t(c,"a restore reads it")}return n.toSorted(M.Kd).map(({id:o})=>{const s=e.get(o)??[];return s.length>0?{id:o,keep:!0,reasons:s}:{id:o,keep:!1,reasons:[`beyond ${i.map(({name:c,count:d})=>`keep-${c} ${d}`).join(", ")}`]}})}function x(n){return[{name:"last",count:n.keepLast??0,valueOf:(r,e)=>String(e+1)},{name:"daily",count:n.keepDaily??0,valueOf:r=>r.toISOString().slice(0,10)},{name:"weekly",count:n.keepWeekly??0,valueOf:j},{name:"monthly",count:n.keepMonthly??0,valueOf:r=>r.toISOString().slice(0,7)}].filter(({count:r})=>r>0)}function z(n,a,r){let e=n.count,t;for(const[i,{id:o,createdAt:s}]of a.entries()){if(e===0)return;const c=n.valueOf(new Date(s),i);c===t&&i!==a.length-1||(r(o,c===t?`${n.name}, oldest`:`${n.name} ${c}`),t=c,e-=1)}}function E(n){return n.find(({verified:a})=>a==="database")??n.find(({verified:a})=>a==="checksum")}function O(n){return[...Map.groupBy(n,({network:a,profile:r})=>`${r} ${a}`).values()]}function j(n){const r=(n.getUTCDay()+6)%7,e=new Date(Date.UTC(n.getUTCFullYear(),n.getUTCMonth(),n.getUTCDate()-r+3)),t=Date.UTC(e.getUTCFullYear(),0,1),i=Math.floor((e.getTime()-t)/864e5/7)+1;return`${e.getUTCFullYear()}-W${String(i).padStart(2,"0")}`}const I=24*36e5;async function L(n,a){const{signal:r,dryRun:e}=a,t=a.clock??$.m,i=t.now(),{entries:o,refused:s}=e?await(0,S.Az)(n,r):await(0,l.Lq)(n,t,r),c=await H(n,o,a,t),d=[];if(!e)for(const{id:b}of c.filter(({keep:A})=>!A))await R(n,b,a,t)&&d.push(b);const T=[...await P(n,i,a),...await W(n,i,a)];return{decisions:c,removed:d,leftovers:T,refused:s}}async function H(n,a,r,e){const t=v(a,r.retention).filter(({keep:s})=>!s),i=new Set;for(const{id:s}of t)await(0,k.sd)(n,s,e,r.signal)&&i.add(s);const o=new Set(a.filter(({volumes:s})=>s.length>0).map(({id:s})=>s));return v(a,r.retention,i).map(s=>s.keep||r.removeVolume!==void 0||!o.has(s.id)?s:{...s,keep:!0,reasons:["its volume snapshot cannot be removed from here"]})}const N=C._H3({volumes:C.YOg(y.gh)});async function R(n,a,r,e){const{signal:t}=r,{volumes:i}=await(0,S.eY)(n,a,t),o=Buffer.from(`${JSON.stringify({volumes:i})}
`);return await n.put((0,w.Z7)(a),o,{contentType:"application/json",signal:t}),await(0,k.sd)(n,a,e,t)?(await n.delete((0,w.Z7)(a),t),!1):(await(0,l.Qj)(n,[],[a],e,t),await F(n,a,r),!0)}async function F(n,a,r){const{signal:e}=r,{bytes:t}=await n.get((0,w.Z7)(a),{signal:e});await n.delete((0,w.Rn)(a),e);const{volumes:i}=C.qgA(N,JSON.parse(Buffer.from(t).toString("utf8")));if(r.removeVolume!==void 0)for(const s of i)await r.removeVolume(s);const o=await h(n,`${(0,w.H1)(a)}/`,e);for(const s of o.filter(c=>c!==(0,w.Z7)(a)))await n.delete(s,e);i.length>0&&r.removeVolume===void 0||await n.delete((0,w.Z7)(a),e)}async function P(n,a,r){const{signal:e,dryRun:t}=r,i=r.clock??$.m,o=new Map;for await(const c of n.list(w.mT,e)){const d=c.key.split("/")[1]??"";o.set(d,[...o.get(d)??[],c])}const s=[];for(const[c,d]of o){const T=b=>d.some(A=>A.key===b);if(T((0,w.Z7)(c)))t||await B(n,c,T((0,w.Rn)(c)),r,i),s.push(`${(0,w.H1)(c)}/`);else if(!T((0,w.Rn)(c))&&d.every(b=>u(b.modifiedAt,a))){if(!t)for(const{key:b}of d)await n.delete(b,e);s.push(`${(0,w.H1)(c)}/`)}else if(T((0,w.Rn)(c))&&!t){const b=d.filter(({key:A})=>A===(0,w.Eo)(c)||A.startsWith((0,w.db)(c)));for(const{key:A,modifiedAt:V}of b)u(V,a-I)&&await n.delete(A,e)}}return s}async function B(n,a,r,e,t){r&&await(0,k.sd)(n,a,t,e.signal)||(await(0,l.Qj)(n,[],[a],t,e.signal),await F(n,a,e))}async function W(n,a,r){const e=[];for await(const{token:t,startedAt:i}of n.listUploads(w.mT,r.signal))u(i,a)&&(r.dryRun||await n.abortUpload(t,r.signal),e.push(t.key));return e}function u(n,a){return n!==void 0&&a-n.getTime()>I}async function h(n,a,r){const e=[];for await(const{key:t}of n.list(a,r))e.push(t);return e}var p=g(45628);async function f(n,a){const r=await a.openStore(n.storage);try{const e=await m(a,r,n.retention,n.dryRun),t=n.dryRun?"Dry run: ":"";a.report.headline(`${t}${e} snapshots ${n.dryRun?"would be":"were"} removed from ${r.url}.`)}finally{await r.close()}}async function m(n,a,r,e){const{report:t,signal:i,clock:o}=n;return await t.phase("retention",e?"Decide what stays":"Keep what retention says",async()=>{const s=await L(a,{retention:r,dryRun:e,signal:i,clock:o}),c=s.decisions.filter(({keep:d})=>!d);t.table("Retention",["snapshot","","why"],s.decisions.map(({id:d,keep:T,reasons:b})=>[d,T?"stays":"goes",b.join(", ")]));for(const d of s.leftovers)t.info(`Left by a dead run${e?"":", removed"}: ${d}`);for(const{id:d,error:T}of s.refused)t.warning(`${d} is left alone: ${T.message}`);return t.output("pruned",JSON.stringify(e?c.map(({id:d})=>d):s.removed)),!e&&s.removed.length>0&&await(0,p.x)(a,i),e?c.length:s.removed.length})}}),45628:((U,D,g)=>{g.d(D,{x:()=>r});var C=g(77598),$=g(99834),w=g(68301);class y{text;constructor(t){this.text=t}}function l(e,...t){const i=e.map((o,s)=>`${o}${k(t[s])}`);return new y(i.join(""))}function k(e){return e===void 0?"":e instanceof y?e.text:typeof e=="object"?e.map(k).join(""):S(String(e))}function S(e){return e.toWellFormed().replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g,"\uFFFD").replaceAll("&","&amp;").replaceAll("<","&lt;").replaceAll(">","&gt;").replaceAll('"',"&quot;").replaceAll("'","&#39;")}const M=`
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
details[open] > summary::before { content: "\u2212"; }
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
`,v=`
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
`,x=1e3,z=120;function E(e,t){const i=[...t].sort((b,A)=>b.at-A.at),o=i[0],s=i.at(-1);if(o===void 0||s===void 0||o.at===s.at)return;const c=i.map(({at:b,height:A})=>({at:b,value:A})),d=i.flatMap(({at:b,sizeBytes:A})=>A===void 0?[]:[{at:b,value:A}]),T={from:o.at,to:s.at};return l`<figure class="chart">
    <figcaption>${e}: ${i.length} snapshots from ${j(o.at)} to ${j(s.at)}</figcaption>
    ${O("Stacks height",c,T,b=>Math.round(b).toLocaleString("en"),"least")}
    ${d.length<2?void 0:O("Size of the archive",d,T,$.z3,"zero")}
    <div class="axis" aria-hidden="true"><span>${j(o.at)}</span><span>${j(s.at)}</span></div>
  </figure>`}function O(e,t,i,o,s){const c=t.map(({value:Z})=>Z),d=Math.max(...c),T=s==="zero"?0:Math.min(...c),b=d-T||1,A=({at:Z,value:G})=>{const q=(Z-i.from)/(i.to-i.from)*x,_=z-6-(G-T)/b*(z-12);return`${q.toFixed(1)} ${_.toFixed(1)}`},V=`M${t.map(A).join("L")}`,X=t.length>60?"":t.map(Z=>`M${A(Z)}h0`).join(""),Q=`${e}: from ${o(c[0]??0)} to ${o(c.at(-1)??0)}, at most ${o(d)}`;return l`<div class="plot">
    <b>${e}</b>
    <div class="scale"><span>${o(d)}</span><span>${o(T)}</span></div>
    <svg viewBox="0 0 ${x} ${z}" preserveAspectRatio="none" role="img" aria-label="${Q}">
      <path class="grid" d="M0 6H${x}M0 ${z-6}H${x}"></path>
      <path class="line" d="${V}"></path>
      <path class="dots" d="${X}"></path>
    </svg>
  </div>`}function j(e){return new Date(e).toISOString().slice(0,10)}const I=6;function L({storageUrl:e,entries:t}){const i=[...t].sort((c,d)=>p(d)-p(c)),[o]=i;return l(K||(K=Y([`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src '`,"'; script-src '",`'; img-src data:; base-uri 'none'; form-action 'none'">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
<title>Stacks chainstate snapshots</title>
<style>`,`</style>
</head>
<body>
<main>
<h1>Stacks chainstate snapshots</h1>
<p class="soft">`,`</p>
`,`
`,`
`,`
`,`
</main>
<footer>
<p class="soft">The same for programs: <a href="catalog.json">catalog.json</a>. Made by chainstate-snapshot.</p>
</footer>
<script>`,`<\/script>
</body>
</html>
`])),n(M),n(v),new y(M),e,o===void 0?l`<p>There is no snapshot here yet.</p>`:H(o,i.length),N(i),o===void 0?void 0:l`<h2>All snapshots, newest first</h2>`,o===void 0?void 0:l`<ol>${i.map((c,d)=>R(c,e,d===0))}</ol>`,new y(v)).text}function H(e,t){return l`<p>The newest of ${t===1?"1 snapshot":`${t} snapshots`} is of ${h(e.createdAt)}: ${e.network} at height ${m(e.stacksHeight)}${e.archive===null?"":`, ${(0,$.z3)(e.archive.size)}`}.</p>`}function N(e){const t=[...new Set(e.map(({network:o})=>o))];if(t.length>I)return;const i=t.map(o=>{const c=e.filter(d=>d.network===o&&p(d)>0).map(({createdAt:d,stacksHeight:T,archive:b})=>({at:Date.parse(d),height:T,sizeBytes:b?.size}));return E(o,c)});return i.every(o=>o===void 0)?void 0:l`<h2>Height and size over time</h2>${i}`}function R(e,t,i){const{archive:o}=e,s=[e.id,e.network,e.stacksHeight,e.nodeVersion??"",e.createdAt,e.profile];return l`
<li data-words="${s.join(" ").toLowerCase()}"><details${new y(i?" open":"")}>
<summary><span class="when">${h(e.createdAt)}</span> <span>${e.network} ${m(e.stacksHeight)}</span> <span>${o===null?"volume":(0,$.z3)(o.size)}</span> ${B(e)}</summary>
<div class="more">
<dl>${W(e).map(([c,d])=>l`<div><dt>${c}</dt><dd>${d}</dd></div>`)}</dl>
${o===null?void 0:F(o,t)}
${P("Restore with the action",(0,w.T2)(t,e.id,e.network))}
<p><a href="${f(e.manifest)}">Manifest of ${e.id}</a></p>
</div>
</details></li>`}function F({key:e,sha256:t},i){const{download:o,verify:s,unpack:c}=(0,w.Xm)({storageUrl:i,key:e,hasSha256:t!==null}),d=(t===null?[e]:[e,`${e}.sha256`]).map(f);return l`<p><a href="${f(e)}">Download ${e.split("/").at(-1)??e}</a></p>
${P("Download with plain tools",o.join(`
`),d.join(" "))}
${P("Verify",s.join(`
`))}
${P("Unpack here",c.join(`
`))}`}function P(e,t,i){const o=i===void 0?void 0:l` data-keys="${i}"`;return l`<h3>${e}</h3><div class="code"><pre${o}>${t}</pre></div>`}function B({checks:e,verified:t}){const i=e.filter(({result:s})=>s==="failed").map(({id:s})=>s);if(i.length>0)return l`<span class="bad">checks failed: ${i.join(", ")}</span>`;const o=e.filter(({result:s})=>s==="passed").length;return o===0?l`<span class="soft">${t==="none"?"not checked":"checksum only"}</span>`:l`<span class="good">${o} of ${e.length} checks passed</span>`}function W(e){const{archive:t,checks:i}=e,o=c=>i.filter(d=>d.result===c).map(({id:d})=>d).join(", ");return[["Id",e.id],["Network",e.network],["Stacks height",m(e.stacksHeight)],["Bitcoin height",e.burnHeight===null?"not known":m(e.burnHeight)],["Node version",e.nodeVersion??"not known"],["Archive",t===null?void 0:`${(0,$.z3)(t.size)} (${m(t.size)} bytes)`],["Unpacked",t===null?void 0:(0,$.z3)(t.tarSize)],["Reused from the one before",t===null?void 0:u(t)],["SHA-256",t?.sha256??void 0],["Volume snapshots",e.volumes.map(({driver:c,snapshot:d})=>`${c}: ${d}`).join("; ")],["Checks passed",o("passed")||"none"],["Checks failed",o("failed")],["Checks not made",o("not-made")],["Read back",{none:"no",checksum:"every digest",database:"every digest and the databases"}[e.verified]],["Profile",e.profile],["Cut",`${e.cut.method}, node down for ${e.cut.downtimeSeconds.toFixed(1)} s`],["Pruned chainstate",e.pruned?"yes":void 0],["Pinned",e.pinned?"yes, retention keeps it":void 0]].filter(c=>c[1]!==void 0&&c[1]!=="")}function u({size:e,uploadedBytes:t,reusedBytes:i}){const o=e===0?0:Math.floor(i/e*1e3)/10;return i===0?"nothing":`${o} %, ${(0,$.z3)(t)} were sent`}function h(e){const t=new Date(e),i=Number.isNaN(t.getTime())?e:`${t.toISOString().slice(0,16).replace("T"," ")} UTC`;return l`<time datetime="${e}" data-age>${i}</time>`}function p({createdAt:e}){return Date.parse(e)||0}function f(e){return`./${encodeURI(e.toWellFormed())}`}function m(e){return e.toLocaleString("en")}function n(e){return`sha256-${(0,C.createHash)("sha256").update(e).digest("base64")}`}var a=g(28990);async function r(e,t){const i=await(0,a.Cb)(e,t),o=L({storageUrl:e.url,entries:i});await e.put("index.html",Buffer.from(o),{contentType:"text/html; charset=utf-8",signal:t})}})};export{ne as id,ae as ids,oe as modules};
