var te=Object.freeze,le=Object.defineProperty;var ne=(Y,U)=>te(le(Y,"raw",{value:te(U||Y.slice())}));var ae;const fe=263,me=[263],pe={68301:((Y,U,y)=>{y.d(U,{$t:()=>E,T2:()=>$,Xm:()=>j});function E({url:S,s3Endpoint:M}){return{url:S,s3Endpoint:M}}function j({storage:S,key:M,hasSha256:O}){const x=M.split("/").at(-1)??M;return{download:(O?[M,`${M}.sha256`]:[M]).map(A=>D(S,A)),verify:[O?`sha256sum -c ${c(`${x}.sha256`)}`:`zstd -t ${c(x)}`],unpack:[`tar --zstd -xf ${c(x)}`]}}function $(S,{id:M,network:O,fromVolume:x}){const{s3Endpoint:A}=S;return["- uses: OWNER/chainstate-snapshot@v0","  with:",...[["command","restore"],["storage",S.url],...A===void 0?[]:[["s3-endpoint",A.url]],...A?.isPathStyle===!0?[["s3-force-path-style","true"]]:[],["snapshot",M],...x===!0?[["method","volume"]]:[],["chainstate-dir",`/var/stacks/${O}`]].map(([C,H])=>`    ${C}: ${B(H)}`)].join(`
`)}function D({url:S,s3Endpoint:M},O){const x=`${S.replace(/\/+$/,"")}/${O}`,A=/^([a-z0-9]+):\/\//.exec(x)?.[1];if(A==="s3")return`aws s3 cp${M===void 0?"":` --endpoint-url ${c(M.url)}`} ${c(x)} .`;if(A==="gs")return`gcloud storage cp ${c(x)} .`;if(A==="file")return`cp ${c(decodeURIComponent(new URL(x).pathname))} .`;if(A==="az"){const[R="",C="",...H]=x.slice(5).split("/");return`az storage blob download ${[["--account-name",R],["--container-name",C],["--name",H.join("/")],["--file",H.at(-1)??""]].map(([W="",F=""])=>`${W} ${c(F)}`).join(" ")}`}return`curl --fail --location --retry 9 --continue-at - --remote-name ${c(x)}`}function c(S){return/^[A-Za-z0-9_@%+=:,./-]+$/.test(S)&&!S.startsWith("-")?S:`'${S.replaceAll("'","'\\''")}'`}function B(S){return/^[A-Za-z/][A-Za-z0-9_@%+=./-]*(?::[A-Za-z0-9_@%+=./-]+)*$/.test(S)?S:JSON.stringify(S)}}),9688:((Y,U,y)=>{y.d(U,{Qj:()=>J,eN:()=>W,mk:()=>K,Lq:()=>F});var E=y(57975),j=y(19473),$=y(37218),D=y(29063),c=y(68970),B=y(31323),S=y(28990);const M=40,O=50,x=2e3,A=1500;async function R(l,g,w,m,h){for(let t=0;t<M;t+=1){const n=await C(l,g,h),o=await w(n?.bytes);if(o===void 0)return;if(await H(l,g,o,n,h)){if(l.capabilities.conditionalWrites)return;await m.sleep(A*(.5+Math.random()),h);continue}const i=Math.min(x,O*2**t);await m.sleep(i*(.5+Math.random()),h)}throw new j.lZ("CATALOG_BUSY",`${l.urlOf(g)} was changed by others each of ${M} times.`,{hint:"Run this again, and let fewer hosts publish to one prefix at the same moment."})}async function C(l,g,w){try{const{bytes:m,info:h}=await l.get(g,{signal:w});return{bytes:m,etag:h.etag}}catch(m){if((0,j.up)(m,"OBJECT_NOT_FOUND"))return;throw m}}async function H(l,g,w,m,h){const t=m===void 0?{ifAbsent:!0}:m.etag===void 0?{}:{ifMatch:m.etag};try{return await l.put(g,w,{...t,contentType:"application/json",signal:h}),!0}catch(n){if((0,j.up)(n,"PRECONDITION_FAILED"))return!1;throw n}}async function K(l,g,w,m=$.m){const{manifest:h,bytes:t}=(0,B.H)(g);return await Z(l,h,w),await Q(l,h.id,t,w),await X(l,(0,D.Ms)(h),m,w),await G(l,h,m,w),await l.delete((0,c.Eo)(h.id),w),h}async function W(l,g,w,m,h){for(let t=0;t<60;t+=1){const n=new Date(w.getTime()+t*1e3),o=(0,c.iy)(g.network,g.stacksHeight,n),i=Buffer.from(`${JSON.stringify({runId:m,at:w.toISOString()})}
`);try{if(await l.head((0,c.Rn)(o),h)!==void 0)continue;return await l.put((0,c.Eo)(o),i,{ifAbsent:!0,contentType:"application/json",signal:h}),{id:o,at:n}}catch(s){if(!(0,j.up)(s,"PRECONDITION_FAILED"))throw s}}throw new j.lZ("SNAPSHOT_EXISTS",`Sixty snapshots of height ${g.stacksHeight} are being made in ${l.url}.`,{hint:"Give each host a prefix of its own."})}async function F(l,g,w,m=!1){const h=new Map((await(0,S.ak)(l,w))?.map(p=>[p.id,p])),t=await(0,S.Az)(l,w,m?h:new Map),n=t.entries.map(p=>({...h.get(p.id),...p})),o=new Set(n.map(({id:p})=>p)),i=n.filter(p=>!(0,E.isDeepStrictEqual)(h.get(p.id),p)),s=[...h.keys()].filter(p=>!o.has(p));(i.length>0||s.length>0)&&await J(l,i,s,g,w);const[b]=n;return b!==void 0&&await G(l,b,g,w),{entries:n,refused:t.refused,repaired:[...i.map(({id:p})=>p),...s]}}async function J(l,g,w,m,h){const t=new Set([...g.map(({id:n})=>n),...w]);await R(l,c.Vz,async n=>{const o=n===void 0?void 0:(0,D.uM)(n,l.urlOf(c.Vz))?.snapshots,s=[...(o??(await(0,S.Az)(l,h)).entries).filter(({id:b})=>!t.has(b)),...g].sort(D.Kd);if(!(0,E.isDeepStrictEqual)(o,s))return(0,D.Jj)(s,new Date(m.now()))},m,h)}async function Z(l,g,w){const{archive:m}=g;if(m!==void 0)for(const{key:h,size:t}of[m,m.index]){const n=await l.head(h,w);if(n?.size===t)continue;const o=n===void 0?"does not exist":`has ${n.size} bytes instead of ${t}`;throw new j.lZ("SNAPSHOT_INCOMPLETE",`${l.urlOf(h)} ${o}, so the snapshot is not published.`,{hint:"Something else writes to that prefix, or the store lost it. Run this again."})}}async function Q(l,g,w,m){const h=(0,c.Rn)(g);try{await l.put(h,w,{ifAbsent:!0,contentType:"application/json",signal:m})}catch(t){if(!(0,j.up)(t,"PRECONDITION_FAILED"))throw t;const n=await l.get(h,{signal:m});if(Buffer.compare(n.bytes,w)===0)return;throw new j.lZ("SNAPSHOT_EXISTS",`There is a snapshot ${g} in ${l.url} already; it is never overwritten.`,{cause:t,hint:"Another host published the same height in the same second. Run this again."})}}async function X(l,g,w,m){await J(l,[g],[],w,m),l.capabilities.conditionalWrites||await F(l,w,m,!0)}async function G(l,g,w,m){const h=Buffer.from(`${JSON.stringify({id:g.id,manifest:(0,c.Rn)(g.id)})}
`);await R(l,c.p8,async t=>{const n=t===void 0?void 0:(0,S.Eg)(t);if(n===g.id)return;const o=n===void 0?void 0:await _(l,n,m);return o!==void 0&&(0,D.Kd)(o,g)<0?void 0:h},w,m)}async function _(l,g,w){try{return await(0,S.eY)(l,g,w)}catch(m){if(m instanceof j.lZ&&S.$m.has(m.code))return;throw m}}}),2388:((Y,U,y)=>{y.d(U,{Vs:()=>B,sd:()=>S});var E=y(77934),j=y(19473),$=y(68970);const D=E._H3({until:E.FsL(E.YjP(),E.yhX())}),c=36*36e5;async function B(O,x,A,R,C){if(O.capabilities.readOnly)return;const H=`${(0,$.db)(x)}${A.replaceAll(/[^A-Za-z0-9_-]/g,"_")}.json`,K=new Date(R.now()+c).toISOString();try{await O.put(H,Buffer.from(`${JSON.stringify({until:K})}
`),{contentType:"application/json",signal:C})}catch(Z){if((0,j.up)(Z,"STORE_DENIED")||(0,j.up)(Z,"STORE_READ_ONLY"))return;throw Z}const W=async Z=>await O.delete(H,Z),[F,J]=await Promise.all([O.head((0,$.Rn)(x),C),O.head((0,$.Z7)(x),C)]);if(F!==void 0&&J===void 0)return{withdraw:W};throw await W(C),new j.lZ("SNAPSHOT_GONE",`Snapshot ${x} is being removed from ${O.url}.`,{hint:"Choose another snapshot; `latest` never is."})}async function S(O,x,A,R){for await(const{key:C}of O.list((0,$.db)(x),R))if(await M(O,C,A,R))return!0;return!1}async function M(O,x,A,R){try{const{bytes:C}=await O.get(x,{signal:R}),H=E.xLC(D,JSON.parse(Buffer.from(C).toString("utf8")));return!H.success||Date.parse(H.output.until)>A.now()}catch(C){if((0,j.up)(C,"OBJECT_NOT_FOUND"))return!1;if(C instanceof SyntaxError)return!0;throw C}}}),67263:((Y,U,y)=>{y.r(U),y.d(U,{applyRetention:()=>h,prune:()=>m});var E=y(77934),j=y(37218),$=y(68970),D=y(49227),c=y(9688),B=y(2388),S=y(28990),M=y(29063);function O(t,n,o=new Set){const i=new Map(t.map(({id:p})=>[p,[]])),s=(p,u)=>{p!==void 0&&i.get(p)?.push(u)},b=x(n);for(const p of C(t)){const u=p.toSorted(M.Kd);if(b.length===0)for(const{id:v}of u)s(v,"no rule is set");for(const v of b)A(v,u,s);s(u[0]?.id,"newest"),s(R(u)?.id,"newest verified");for(const{id:v,pinned:T}of u)T&&s(v,"pinned"),o.has(v)&&s(v,"a restore reads it")}return t.toSorted(M.Kd).map(({id:p})=>{const u=i.get(p)??[];return u.length>0?{id:p,keep:!0,reasons:u}:{id:p,keep:!1,reasons:[`beyond ${b.map(({name:v,count:T})=>`keep-${v} ${T}`).join(", ")}`]}})}function x(t){return[{name:"last",count:t.keepLast??0,valueOf:(o,i)=>String(i+1)},{name:"daily",count:t.keepDaily??0,valueOf:o=>o.toISOString().slice(0,10)},{name:"weekly",count:t.keepWeekly??0,valueOf:H},{name:"monthly",count:t.keepMonthly??0,valueOf:o=>o.toISOString().slice(0,7)}].filter(({count:o})=>o>0)}function A(t,n,o){let i=t.count,s;for(const[b,{id:p,createdAt:u}]of n.entries()){if(i===0)return;const v=t.valueOf(new Date(u),b);v===s&&b!==n.length-1||(o(p,v===s?`${t.name}, oldest`:`${t.name} ${v}`),s=v,i-=1)}}function R(t){return t.find(({verified:n})=>n==="database")??t.find(({verified:n})=>n==="checksum")}function C(t){return[...Map.groupBy(t,({network:n,profile:o})=>`${o} ${n}`).values()]}function H(t){const o=(t.getUTCDay()+6)%7,i=new Date(Date.UTC(t.getUTCFullYear(),t.getUTCMonth(),t.getUTCDate()-o+3)),s=Date.UTC(i.getUTCFullYear(),0,1),b=Math.floor((i.getTime()-s)/864e5/7)+1;return`${i.getUTCFullYear()}-W${String(b).padStart(2,"0")}`}const K=24*36e5;async function W(t,n){const{signal:o,dryRun:i}=n,s=n.clock??j.m,b=s.now(),{entries:p,refused:u}=i?await(0,S.Az)(t,o):await(0,c.Lq)(t,s,o),v=await F(t,p,n,s),T=[];if(!i)for(const{id:a}of v.filter(({keep:r})=>!r))await Z(t,a,n,s)&&T.push(a);const e=[...await X(t,b,n),...await _(t,b,n)];return{decisions:v,removed:T,leftovers:e,refused:u}}async function F(t,n,o,i){const s=O(n,o.retention).filter(({keep:u})=>!u),b=new Set;for(const{id:u}of s)await(0,B.sd)(t,u,i,o.signal)&&b.add(u);const p=new Set(n.filter(({volumes:u})=>u.length>0).map(({id:u})=>u));return O(n,o.retention,b).map(u=>u.keep||o.removeVolume!==void 0||!p.has(u.id)?u:{...u,keep:!0,reasons:["its volume snapshot cannot be removed from here"]})}const J=E._H3({volumes:E.YOg(D.gh)});async function Z(t,n,o,i){const{signal:s}=o,{volumes:b}=await(0,S.eY)(t,n,s),p=Buffer.from(`${JSON.stringify({volumes:b})}
`);return await t.put((0,$.Z7)(n),p,{contentType:"application/json",signal:s}),await(0,B.sd)(t,n,i,s)?(await t.delete((0,$.Z7)(n),s),!1):(await(0,c.Qj)(t,[],[n],i,s),await Q(t,n,o),!0)}async function Q(t,n,o){const{signal:i}=o,{bytes:s}=await t.get((0,$.Z7)(n),{signal:i});await t.delete((0,$.Rn)(n),i);const{volumes:b}=E.qgA(J,JSON.parse(Buffer.from(s).toString("utf8")));if(o.removeVolume!==void 0)for(const u of b)await o.removeVolume(u);const p=await g(t,`${(0,$.H1)(n)}/`,i);for(const u of p.filter(v=>v!==(0,$.Z7)(n)))await t.delete(u,i);b.length>0&&o.removeVolume===void 0||await t.delete((0,$.Z7)(n),i)}async function X(t,n,o){const{signal:i,dryRun:s}=o,b=o.clock??j.m,p=new Map;for await(const v of t.list($.mT,i)){const T=v.key.split("/")[1]??"";p.set(T,[...p.get(T)??[],v])}const u=[];for(const[v,T]of p){const e=a=>T.some(r=>r.key===a);if(e((0,$.Z7)(v)))s||await G(t,v,e((0,$.Rn)(v)),o,b),u.push(`${(0,$.H1)(v)}/`);else if(!e((0,$.Rn)(v))&&T.every(a=>l(a.modifiedAt,n))){if(!s)for(const{key:a}of T)await t.delete(a,i);u.push(`${(0,$.H1)(v)}/`)}else if(e((0,$.Rn)(v))&&!s){const a=T.filter(({key:r})=>r===(0,$.Eo)(v)||r.startsWith((0,$.db)(v)));for(const{key:r,modifiedAt:d}of a)l(d,n-K)&&await t.delete(r,i)}}return u}async function G(t,n,o,i,s){o&&await(0,B.sd)(t,n,s,i.signal)||(await(0,c.Qj)(t,[],[n],s,i.signal),await Q(t,n,i))}async function _(t,n,o){const i=[];for await(const{token:s,startedAt:b}of t.listUploads($.mT,o.signal))l(b,n)&&(o.dryRun||await t.abortUpload(s,o.signal),i.push(s.key));return i}function l(t,n){return t!==void 0&&n-t.getTime()>K}async function g(t,n,o){const i=[];for await(const{key:s}of t.list(n,o))i.push(s);return i}var w=y(86187);async function m(t,n){const o=await n.openStore(t.storage);try{const i=await h(n,o,t.retention,t.dryRun),s=t.dryRun?"Dry run: ":"";n.report.headline(`${s}${i} snapshots ${t.dryRun?"would be":"were"} removed from ${o.url}.`)}finally{await o.close()}}async function h(t,n,o,i){const{report:s,signal:b,clock:p}=t;return await s.phase("retention",i?"Decide what stays":"Keep what retention says",async()=>{const u=await W(n,{retention:o,dryRun:i,signal:b,clock:p}),v=u.decisions.filter(({keep:T})=>!T);s.table("Retention",["snapshot","","why"],u.decisions.map(({id:T,keep:e,reasons:a})=>[T,e?"stays":"goes",a.join(", ")]));for(const T of u.leftovers)s.info(`Left by a dead run${i?"":", removed"}: ${T}`);for(const{id:T,error:e}of u.refused)s.warning(`${T} is left alone: ${e.message}`);return s.output("pruned",JSON.stringify(i?v.map(({id:T})=>T):u.removed)),!i&&u.removed.length>0&&await(0,w.x)(n,b),i?v.length:u.removed.length})}}),86187:((Y,U,y)=>{y.d(U,{x:()=>T});var E=y(68301),j=y(77598),$=y(99834);class D{text;constructor(a){this.text=a}}function c(e,...a){const r=e.map((d,f)=>`${d}${B(a[f])}`);return new D(r.join(""))}function B(e){return e===void 0?"":e instanceof D?e.text:typeof e=="object"?e.map(B).join(""):S(String(e))}function S(e){return e.toWellFormed().replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g,"\uFFFD").replaceAll("&","&amp;").replaceAll("<","&lt;").replaceAll(">","&gt;").replaceAll('"',"&quot;").replaceAll("'","&#39;")}const M=`
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --paper: #f6f7f9; --card: #fff; --well: #f3f4f6; --edge: #d5dae1; --link: #0550ae; --mark: #5b3fb5; --good: #116329; --bad: #a40e26; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --soft: #9ea7b3; --paper: #0d1117; --card: #151b23; --well: #0d1117; --edge: #343b45; --link: #79b8ff; --mark: #b79bff; --good: #56d364; --bad: #ff938a; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 70rem; padding: 2rem 1.25rem 4rem; background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0; letter-spacing: -.01em; }
h2 { font-size: 1.05rem; line-height: 1.3; margin: 0 0 .75rem; }
h3 { font-size: .9rem; margin: 1.25rem 0 .3rem; }
p { margin: 0; }
a { color: var(--link); }
code, pre, .place, .id { font-family: ui-monospace, "DejaVu Sans Mono", monospace; }
.soft, .more-of, .age, footer, .place, dt, .note { color: var(--soft); }
.place { font-size: .9rem; margin-top: .35rem; }
.good { color: var(--good); }
.bad { color: var(--bad); font-weight: 600; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
header { margin-bottom: 1.5rem; }
footer { margin-top: 1.5rem; font-size: .85rem; }
section { margin-bottom: 1.75rem; }
.card, .list { background: var(--card); border: 1px solid var(--edge); border-radius: .6rem; }
.card { padding: 1.1rem 1.25rem; }
.nothing { padding: 2.5rem 1.25rem; text-align: center; }
.nothing p { max-width: 34rem; margin: 0 auto; }
dl { margin: 0; }
dt { font-size: .8rem; }
dd { margin: 0; }
.more-of, .age { display: block; font-size: .8rem; font-weight: 400; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: 1rem 1.5rem; }
.figures dd { font-size: 1.25rem; line-height: 1.3; font-weight: 600; font-variant-numeric: tabular-nums; }
.chart { margin: 1.5rem 0 0; }
.plot { display: grid; grid-template-columns: 5.5rem 1fr; gap: 0 .75rem; margin-bottom: 1.5rem; }
.plot .title { grid-column: 2; font-size: .85rem; font-weight: 600; margin-bottom: .6rem; }
.scale { display: flex; flex-direction: column; justify-content: space-between; text-align: right; font-size: .75rem; color: var(--soft); font-variant-numeric: tabular-nums; white-space: nowrap; }
.scale span { height: 0; line-height: 0; }
.axis { display: flex; justify-content: space-between; margin: -.9rem 0 0 6.25rem; font-size: .75rem; color: var(--soft); font-variant-numeric: tabular-nums; white-space: nowrap; }
svg { width: 100%; height: 7rem; display: block; overflow: visible; }
svg path { fill: none; vector-effect: non-scaling-stroke; }
.grid { stroke: var(--edge); stroke-width: 1; }
svg .area { fill: var(--mark); fill-opacity: .1; }
.line { stroke: var(--mark); stroke-width: 2; stroke-linejoin: round; }
.dots { stroke: var(--mark); stroke-width: 6; stroke-linecap: round; }
.list { overflow: clip; }
.entries { list-style: none; margin: 0; padding: 0; }
.entries > li { border-top: 1px solid var(--edge); }
.row { display: grid; grid-template-columns: 1rem 10.5rem 1fr 9.5rem 6rem minmax(11.5rem, .8fr); gap: .25rem .9rem; align-items: baseline; padding: .6rem 1rem; font-variant-numeric: tabular-nums; }
.columns { font-size: .8rem; color: var(--soft); padding-block: .45rem; }
summary { cursor: pointer; }
summary::-webkit-details-marker { display: none; }
summary::before { content: "\u25B8"; color: var(--soft); }
details[open] > summary::before { content: "\u25BE"; }
summary:hover, details[open] > summary { background: var(--well); }
:focus-visible { outline: 3px solid var(--link); outline-offset: -3px; }
.when { font-weight: 600; }
.pin { display: inline-block; padding: 0 .45rem; border: 1px solid var(--edge); border-radius: 1rem; font-size: .75rem; color: var(--soft); }
.more { padding: .75rem 1rem 1.25rem 2.9rem; }
.id { font-size: .85rem; margin-bottom: .75rem; }
.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr)); gap: .6rem 1.25rem; }
.checks { list-style: none; margin: 0; padding: 0; display: grid; grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr)); gap: .1rem 1.25rem; font-size: .9rem; }
.note { font-size: .85rem; margin-bottom: .3rem; }
.links { margin-top: 1rem; }
pre { margin: 0; padding: .65rem .8rem; background: var(--well); border: 1px solid var(--edge); border-radius: .4rem; font-size: .8rem; line-height: 1.5; white-space: pre-wrap; overflow-wrap: anywhere; }
.code { position: relative; }
.code button { position: absolute; top: .3rem; right: .3rem; }
.copyable pre { padding-right: 5.5rem; min-height: 2.6rem; }
button, input { font: inherit; color: inherit; background: var(--card); border: 1px solid var(--edge); border-radius: .4rem; padding: .3rem .7rem; }
button { cursor: pointer; font-size: .8rem; }
button:hover { border-color: var(--soft); }
.filter { display: grid; grid-template-columns: minmax(0, 26rem) 1fr; gap: .25rem .9rem; align-items: end; margin-bottom: .75rem; font-size: .85rem; }
.filter input { width: 100%; padding: .45rem .7rem; font-size: 1rem; }
@media (max-width: 52rem) {
  .columns { display: none; }
  .row { grid-template-columns: 1rem minmax(0, 1fr) minmax(0, auto); }
  .row > .when { grid-area: 1 / 2; }
  .row > .size { grid-area: 1 / 3; text-align: right; }
  .row > .chain { grid-area: 2 / 2; }
  .row > .node { grid-area: 2 / 3; text-align: right; }
  .row > .verdict { grid-area: 3 / 2 / 4 / 4; }
  .more { padding-left: 1rem; }
}
@media (max-width: 34rem) {
  body { padding-inline: .75rem; }
  .card { padding: 1rem; }
  .figures, .facts { grid-template-columns: 1fr 1fr; gap: .75rem 1rem; }
  .figures dd { font-size: 1.1rem; }
  .plot { grid-template-columns: 4.5rem 1fr; gap: 0 .6rem; }
  .axis { margin-left: 5.1rem; }
  .axis span:not(:first-child, :last-child) { display: none; }
  .filter { grid-template-columns: 1fr; }
}
@media print { details > .more { display: block; } .code button { display: none; } }
`,O=`
(() => {
  const units = [["day", 864e5], ["hour", 36e5], ["minute", 6e4]];
  const words = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  for (const time of document.querySelectorAll("time[data-age]")) {
    const ms = Date.parse(time.dateTime) - Date.now();
    if (Number.isNaN(ms)) continue;
    const [unit, size] = units.find(([, size]) => Math.abs(ms) >= size) ?? units[2];
    const age = document.createElement("span");
    age.className = "age";
    age.textContent = words.format(Math.round(ms / size), unit);
    time.after(" ", age);
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
    button.setAttribute("aria-label", "Copy: " + code.dataset.title);
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(pre.textContent);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(pre);
        button.textContent = "Selected";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 3000);
    });
    code.classList.add("copyable");
    code.append(button);
  }
  const items = [...document.querySelectorAll("li[data-words]")];
  const list = document.querySelector(".list");
  if (items.length < 8 || list === null) return;
  const filter = document.createElement("div");
  const label = document.createElement("label");
  const input = document.createElement("input");
  const count = document.createElement("p");
  filter.className = "filter";
  label.textContent = "Filter by network, height, node version or date";
  input.type = "search";
  count.setAttribute("role", "status");
  label.append(input);
  filter.append(label, count);
  list.before(filter);
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
`,x=1e3,A=100,R=864e5;function C(e,a){const r=[...a].sort((I,P)=>I.at-P.at),d=r[0],f=r.at(-1);if(d===void 0||f===void 0||d.at===f.at)return;const k=r.map(({at:I,height:P})=>({at:I,value:P})),z=r.flatMap(({at:I,sizeBytes:P})=>P===void 0?[]:[{at:I,value:P}]),N={from:d.at,to:f.at},L=f.at-d.at>=4*R?4:1,q=Array.from({length:L+1},(I,P)=>F(N.from+(N.to-N.from)*P/L));return c`<figure class="chart" aria-label="${e} from ${F(d.at)} to ${F(f.at)}">
${H("Stacks height",k,N,{format:W,unit:1,fromZero:!1})}
${z.length<2?void 0:H("Size of the archive",z,N,{format:$.z3,unit:1024,fromZero:!0})}
<div class="axis" aria-hidden="true">${q.map(I=>c`<span>${I}</span>`)}</div>
</figure>`}function H(e,a,r,d){const f=a.map(({value:V})=>V),k=Math.max(...f),z=K(d.fromZero?0:Math.min(...f),k,d.unit),[N=0]=z,L=(z.at(-1)??1)-N,q=({at:V})=>((V-r.from)/(r.to-r.from)*x).toFixed(1),I=V=>`${q(V)} ${(A-(V.value-N)/L*A).toFixed(1)}`,P=a.map(I).join("L"),[ee={at:r.from,value:0}]=a,oe=a.at(-1)??ee,re=a.length>60?"":a.map(V=>`M${I(V)}h0`).join(""),ie=z.map((V,de)=>`M0 ${de/(z.length-1)*A}H${x}`).join(""),se=d.fromZero?`M${P}V${A}H${q(ee)}Z`:"",ce=`${e}: from ${d.format(ee.value)} to ${d.format(oe.value)}, at most ${d.format(k)}`;return c`<div class="plot">
<p class="title">${e}</p>
<div class="scale" aria-hidden="true">${z.toReversed().map(V=>c`<span>${d.format(V)}</span>`)}</div>
<svg viewBox="0 0 ${x} ${A}" preserveAspectRatio="none" role="img" aria-label="${ce}"><path class="grid" d="${ie}"></path><path class="area" d="${se}"></path><path class="line" d="M${P}"></path><path class="dots" d="${re}"></path></svg>
</div>`}function K(e,a,r){const d=a-e||Math.max(1,a),f=r>1?r**Math.floor(Math.log(Math.max(d,1))/Math.log(r)):1,k=d/f/4,z=10**Math.floor(Math.log10(k)),N=f*z*([1,2,2.5,5,10].find(P=>P*z>=k)??10),L=Math.max(1,Math.ceil(N)),I=[Math.floor(e/L)*L];for(;(I.at(-1)??0)<a||I.length<2;)I.push((I.at(-1)??0)+L);return I}function W(e){return Math.round(e).toLocaleString("en")}function F(e){return new Date(e).toISOString().slice(0,10)}const J={files:"database files whole",A:"state has a tip",B:"header index at the state's tip",C:"highest header on its chain",D:"block store at the tip",E:"sortitions know the tip",F:"tries reach the tip",G:"burn headers reach the tip",H:"burn chain reaches the tip",integrity:"SQLite integrity",blobs:"every trie record"};function Z(e,a,r){const{archive:d,id:f,network:k}=e,z=[f,k,e.stacksHeight,e.nodeVersion??"",e.createdAt,e.profile];return c`
<li data-words="${z.join(" ").toLowerCase()}"><details${new D(r?" open":"")}>
<summary class="row"><span class="cell when">${m(e.createdAt)}</span> <span class="cell chain">${k} <b>${n(e.stacksHeight)}</b></span> <span class="cell size">${Q(e)}</span> <span class="cell node">${e.nodeVersion??""}</span> <span class="cell verdict">${X(e)}${e.pinned?c` <span class="pin">pinned</span>`:void 0}</span></summary>
<div class="more">
<p class="id">${f}</p>
<dl class="facts">${g(e).map(([N,L])=>c`<div><dt>${N}</dt><dd>${L}</dd></div>`)}</dl>
${G(e.checks)}
${d===null?void 0:_(d,a)}
${d===null?void 0:l("Or restore with the action",(0,E.T2)(a,{id:f,network:k}))}
${e.volumes.length===0?void 0:l("Restore from the volume snapshot",(0,E.T2)(a,{id:f,network:k,fromVolume:!0}),"Where the volume and its snapshot are; nothing is downloaded.")}
<p class="links">${d===null?void 0:c`<a href="${t(d.key)}">Archive</a> · `}<a href="${t(e.manifest)}">Manifest<span class="unseen"> of ${f}</span></a></p>
</div>
</details></li>`}function Q({archive:e,volumes:a}){if(e===null)return c`volume <span class="more-of">${a.map(({driver:d})=>d).join(", ")}</span>`;const r=e.reusedBytes===0?"sent whole":`${(0,$.z3)(e.uploadedBytes)} sent`;return c`${(0,$.z3)(e.size)} <span class="more-of">${r}${a.length===0?"":" + volume"}</span>`}function X({checks:e,verified:a}){const r=e.filter(({result:k})=>k==="failed").map(({id:k})=>k);if(r.length>0)return c`<span class="bad">✗ failed: ${r.join(", ")}</span>`;const d=e.filter(({result:k})=>k==="passed").length,f={none:"not read back",checksum:"read back",database:"read back, databases too"}[a];return d===0?c`<span class="soft">not checked</span> <span class="more-of">${f}</span>`:c`<span class="good">✓ ${d===1?"1 check":`${d} checks`} passed</span> <span class="more-of">${f}</span>`}function G(e){if(e.length===0)return;const a={passed:["good","\u2713","passed"],failed:["bad","\u2717","failed"]},r=e.map(({id:d,result:f})=>{const[k,z,N]=a[f]??["soft","\u2013","not made"],L=Object.hasOwn(J,d)?J[d]:d;return c`<li><span class="${k}" aria-hidden="true">${z}</span> <span class="unseen">${N}: </span>${L}</li>`});return c`<h3>Checks of the chainstate</h3>
<ul class="checks">${r}</ul>`}function _({key:e,sha256:a},r){const{download:d,verify:f,unpack:k}=(0,E.Xm)({storage:r,key:e,hasSha256:a!==null}),z=(a===null?[e]:[e,`${e}.sha256`]).map(t),N=a===null?"Parts of it were copied on the store, so there is no digest of the whole; each part has a checksum of its own.":void 0;return c`${l("1. Download with plain tools",d.join(`
`),void 0,z.join(" "))}
${l("2. Verify",f.join(`
`),N)}
${l("3. Unpack here",k.join(`
`))}`}function l(e,a,r,d){const f=d===void 0?void 0:c` data-keys="${d}"`;return c`<h3>${e}</h3>
${r===void 0?void 0:c`<p class="note">${r}</p>`}<div class="code" data-title="${e}"><pre${f}>${a}</pre></div>`}function g(e){const{archive:a,cut:r}=e;return[["Network",e.network],["Stacks height",n(e.stacksHeight)],["Bitcoin height",e.burnHeight===null?"not known":n(e.burnHeight)],["Node version",e.nodeVersion??"not known"],["Archive",a===null?void 0:c`${(0,$.z3)(a.size)} <span class="more-of">${n(a.size)} bytes</span>`],["Unpacked",a===null?void 0:(0,$.z3)(a.tarSize)],["Reused from the one before",a===null?void 0:w(a)],["Volume snapshots",e.volumes.map(({driver:f,snapshot:k})=>`${f}: ${k}`).join("; ")],["Node was down for",r.method==="live"?"never (live)":`${r.downtimeSeconds.toFixed(1)} s (${r.method})`],["Read back",{none:"no",checksum:"every digest",database:"every digest and the databases"}[e.verified]],["Profile",e.profile],["Pruned chainstate",e.pruned?"yes":void 0],["Pinned",e.pinned?"yes, retention keeps it":void 0],["SHA-256 of the archive",a?.sha256??void 0]].filter(f=>f[1]!==void 0&&f[1]!=="")}function w({size:e,uploadedBytes:a,reusedBytes:r}){const d=e===0?0:Math.floor(r/e*1e3)/10;return r===0?"nothing":`${d} %, ${(0,$.z3)(a)} sent`}function m(e){const a=new Date(e),r=Number.isNaN(a.getTime())?e:a.toISOString().slice(0,16).replace("T"," ");return c`<time datetime="${e}" data-age>${r}</time>`}function h({createdAt:e}){return Date.parse(e)||0}function t(e){return`./${encodeURI(e.toWellFormed())}`}function n(e){return e.toLocaleString("en")}const o=6;function i({storage:e,entries:a}){const r=[...a].sort((f,k)=>h(k)-h(f));return c(ae||(ae=ne([`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src '`,"'; script-src '",`'; img-src data:; base-uri 'none'; form-action 'none'">
<meta name="referrer" content="no-referrer">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>Stacks chainstate snapshots</title>
<style>`,`</style>
</head>
<body>
<header>
<h1>Stacks chainstate snapshots</h1>
<p class="place">`,`</p>
</header>
<main>
`,`
</main>
<footer>
<p>The same for programs: <a href="catalog.json">catalog.json</a>. Made by chainstate-snapshot.</p>
</footer>
<script>`,`<\/script>
</body>
</html>
`])),u(M),u(O),new D(M),e.url,r.length===0?s():b(r,e),new D(O)).text}function s(){return c`<section class="card nothing">
<h2>There is no snapshot here yet</h2>
<p>The first run of the action with <code>command: snapshot</code> and this storage publishes one, and writes this page anew. So does every later run.</p>
</section>`}function b(e,a){const r=[...new Set(e.map(({network:f})=>f))],d=r.length>o?[]:r;return c`${d.map(f=>p(f,e.filter(k=>k.network===f)))}
<section aria-labelledby="all">
<h2 id="all">${e.length===1?"The snapshot":`All ${n(e.length)} snapshots, newest first`}</h2>
<div class="list">
<div class="row columns" aria-hidden="true"><span></span><span>Taken (UTC)</span><span>Chain</span><span>Archive</span><span>Node</span><span>Checks</span></div>
<ol class="entries">${e.map((f,k)=>Z(f,a,k===0))}</ol>
</div>
</section>`}function p(e,a){const[r]=a;if(r===void 0)return c``;const{archive:d}=r,f=a.filter(z=>h(z)>0).map(z=>({at:h(z),height:z.stacksHeight,sizeBytes:z.archive?.size})),k=[["Stacks height",c`${n(r.stacksHeight)}`,r.burnHeight===null?void 0:`Bitcoin height ${n(r.burnHeight)}`],["Taken (UTC)",m(r.createdAt),void 0],[d===null?"Kept as":"Archive",c`${d===null?"volume snapshot":(0,$.z3)(d.size)}`,d===null?r.volumes.map(({driver:z})=>z).join(", "):`${(0,$.z3)(d.tarSize)} unpacked`],["Checks",X(r),void 0]];return c`<section class="card">
<h2>${e}, newest of ${a.length===1?"1 snapshot":`${n(a.length)} snapshots`}</h2>
<dl class="figures">${k.map(([z,N,L])=>c`<div><dt>${z}</dt><dd>${N}${L===void 0?void 0:c` <span class="more-of">${L}</span>`}</dd></div>`)}</dl>
${C(e,f)}
</section>`}function u(e){return`sha256-${(0,j.createHash)("sha256").update(e).digest("base64")}`}var v=y(28990);async function T(e,a){const r=await(0,v.Cb)(e,a),d=i({storage:(0,E.$t)(e),entries:r});await e.put("index.html",Buffer.from(d),{contentType:"text/html; charset=utf-8",signal:a})}})};export{fe as id,me as ids,pe as modules};
