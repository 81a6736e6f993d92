var te=Object.freeze,le=Object.defineProperty;var ne=(Q,Z)=>te(le(Q,"raw",{value:te(Z||Q.slice())}));var ae;const fe=263,me=[263],he={68301:((Q,Z,k)=>{k.d(Z,{$t:()=>N,T2:()=>R,Xm:()=>O});function N({url:y,s3Endpoint:M}){return{url:y,s3Endpoint:M}}function O({storage:y,key:M,hasSha256:E}){const T=M.split("/").at(-1)??M;return{download:(E?[M,`${M}.sha256`]:[M]).map(C=>$(y,C)),verify:[E?`sha256sum -c ${u(`${T}.sha256`)}`:`zstd -t ${u(T)}`],unpack:[`tar --zstd -xf ${u(T)}`]}}function R(y,{id:M,network:E,fromVolume:T}){const{s3Endpoint:C}=y;return["- uses: OWNER/chainstate-snapshot@v0","  with:",...[["command","restore"],["storage",y.url],...C===void 0?[]:[["s3-endpoint",C.url]],...C?.isPathStyle===!0?[["s3-force-path-style","true"]]:[],["snapshot",M],...T===!0?[["method","volume"]]:[],["chainstate-dir",`/var/stacks/${E}`]].map(([V,L])=>`    ${V}: ${P(L)}`)].join(`
`)}function $({url:y,s3Endpoint:M},E){const T=`${y.replace(/\/+$/,"")}/${E}`,C=/^([a-z0-9]+):\/\//.exec(T)?.[1];if(C==="s3")return`aws s3 cp${M===void 0?"":` --endpoint-url ${u(M.url)}`} ${u(T)} .`;if(C==="gs")return`gcloud storage cp ${u(T)} .`;if(C==="file")return`cp ${u(decodeURIComponent(new URL(T).pathname))} .`;if(C==="az"){const[F="",V="",...L]=T.slice(5).split("/");return`az storage blob download ${[["--account-name",F],["--container-name",V],["--name",L.join("/")],["--file",L.at(-1)??""]].map(([W="",B=""])=>`${W} ${u(B)}`).join(" ")}`}return`curl --fail --location --retry 9 --continue-at - --remote-name ${u(T)}`}function u(y){return/^[A-Za-z0-9_@%+=:,./-]+$/.test(y)&&!y.startsWith("-")?y:`'${y.replaceAll("'","'\\''")}'`}function P(y){return/^[A-Za-z/][A-Za-z0-9_@%+=./-]*(?::[A-Za-z0-9_@%+=./-]+)*$/.test(y)?y:JSON.stringify(y)}}),9688:((Q,Z,k)=>{k.d(Z,{Qj:()=>Y,eN:()=>W,mk:()=>X,Lq:()=>B});var N=k(57975),O=k(19473),R=k(37218),$=k(29063),u=k(68970),P=k(31323),y=k(28990);const M=40,E=50,T=2e3,C=1500;async function F(f,g,w,m,h){for(let v=0;v<M;v+=1){const p=await V(f,g,h),z=await w(p?.bytes);if(z===void 0)return;if(await L(f,g,z,p,h)){if(f.capabilities.conditionalWrites)return;await m.sleep(C*(.5+Math.random()),h);continue}const D=Math.min(T,E*2**v);await m.sleep(D*(.5+Math.random()),h)}throw new O.lZ("CATALOG_BUSY",`${f.urlOf(g)} was changed by others each of ${M} times.`,{hint:"Run this again, and let fewer hosts publish to one prefix at the same moment."})}async function V(f,g,w){try{const{bytes:m,info:h}=await f.get(g,{signal:w});return{bytes:m,etag:h.etag}}catch(m){if((0,O.up)(m,"OBJECT_NOT_FOUND"))return;throw m}}async function L(f,g,w,m,h){const v=m===void 0?{ifAbsent:!0}:m.etag===void 0?{}:{ifMatch:m.etag};try{return await f.put(g,w,{...v,contentType:"application/json",signal:h}),!0}catch(p){if((0,O.up)(p,"PRECONDITION_FAILED"))return!1;throw p}}async function X(f,g,w,m=R.m){const{manifest:h,bytes:v}=(0,P.H)(g);return await _(f,h,w),await G(f,h.id,v,w),await q(f,(0,$.Ms)(h),m,w),await J(f,h,m,w),await f.delete((0,u.Eo)(h.id),w),h}async function W(f,g,w,m,h){for(let v=0;v<60;v+=1){const p=new Date(w.getTime()+v*1e3),z=(0,u.iy)(g.network,g.stacksHeight,p),D=Buffer.from(`${JSON.stringify({runId:m,at:w.toISOString()})}
`);try{if(await f.head((0,u.Rn)(z),h)!==void 0)continue;return await f.put((0,u.Eo)(z),D,{ifAbsent:!0,contentType:"application/json",signal:h}),{id:z,at:p}}catch(H){if(!(0,O.up)(H,"PRECONDITION_FAILED"))throw H}}throw new O.lZ("SNAPSHOT_EXISTS",`Sixty snapshots of height ${g.stacksHeight} are being made in ${f.url}.`,{hint:"Give each host a prefix of its own."})}async function B(f,g,w,m=!1){const h=new Map((await(0,y.ak)(f,w))?.map(t=>[t.id,t])),v=await(0,y.Az)(f,w,m?h:new Map),p=v.entries.map(t=>({...h.get(t.id),...t})),z=new Set(p.map(({id:t})=>t)),D=p.filter(t=>!(0,N.isDeepStrictEqual)(h.get(t.id),t)),H=[...h.keys()].filter(t=>!z.has(t));(D.length>0||H.length>0)&&await Y(f,D,H,g,w);const[K]=p;return K!==void 0&&await J(f,K,g,w),{entries:p,refused:v.refused,repaired:[...D.map(({id:t})=>t),...H]}}async function Y(f,g,w,m,h){const v=new Set([...g.map(({id:p})=>p),...w]);await F(f,u.Vz,async p=>{const z=p===void 0?void 0:(0,$.uM)(p,f.urlOf(u.Vz))?.snapshots,H=[...(z??(await(0,y.Az)(f,h)).entries).filter(({id:K})=>!v.has(K)),...g].sort($.Kd);if(!(0,N.isDeepStrictEqual)(z,H))return(0,$.Jj)(H,new Date(m.now()))},m,h)}async function _(f,g,w){const{archive:m,volumes:h}=g;for(const v of new Set((0,$.Ms)(g).volumes.flatMap(({requires:p=[]})=>p)))if(await f.head((0,u.Rn)(v),w)===void 0)throw new O.lZ("SNAPSHOT_INCOMPLETE",`${h[0]?.snapshot??g.id} is based on ${v}, which was removed meanwhile, so the snapshot is not published.`,{hint:"Run this again: it is then based on another one."});if(m!==void 0)for(const{key:v,size:p}of[m,m.index]){const z=await f.head(v,w);if(z?.size===p)continue;const D=z===void 0?"does not exist":`has ${z.size} bytes instead of ${p}`;throw new O.lZ("SNAPSHOT_INCOMPLETE",`${f.urlOf(v)} ${D}, so the snapshot is not published.`,{hint:"Something else writes to that prefix, or the store lost it. Run this again."})}}async function G(f,g,w,m){const h=(0,u.Rn)(g);try{await f.put(h,w,{ifAbsent:!0,contentType:"application/json",signal:m})}catch(v){if(!(0,O.up)(v,"PRECONDITION_FAILED"))throw v;const p=await f.get(h,{signal:m});if(Buffer.compare(p.bytes,w)===0)return;throw new O.lZ("SNAPSHOT_EXISTS",`There is a snapshot ${g} in ${f.url} already; it is never overwritten.`,{cause:v,hint:"Another host published the same height in the same second. Run this again."})}}async function q(f,g,w,m){await Y(f,[g],[],w,m),await B(f,w,m,!0)}async function J(f,g,w,m){const h=Buffer.from(`${JSON.stringify({id:g.id,manifest:(0,u.Rn)(g.id)})}
`);await F(f,u.p8,async v=>{const p=v===void 0?void 0:(0,y.Eg)(v);if(p===g.id)return;const z=p===void 0?void 0:await ee(f,p,m);return z!==void 0&&(0,$.Kd)(z,g)<0?void 0:h},w,m)}async function ee(f,g,w){try{return await(0,y.eY)(f,g,w)}catch(m){if(m instanceof O.lZ&&y.$m.has(m.code))return;throw m}}}),67263:((Q,Z,k)=>{k.r(Z),k.d(Z,{applyRetention:()=>H,prune:()=>D});var N=k(77934),O=k(19473),R=k(37218),$=k(68970),u=k(49227),P=k(9688),y=k(2388),M=k(28990),E=k(29063);function T(t,s,d=new Set){const i=new Map(t.map(({id:o})=>[o,[]])),e=(o,a)=>{o!==void 0&&i.get(o)?.push(a)},n=C(s);for(const o of L(t)){const a=o.toSorted(E.Kd);if(n.length===0)for(const{id:r}of a)e(r,"no rule is set");for(const r of n)F(r,a,e);e(a[0]?.id,"newest"),e(V(a)?.id,"newest verified");for(const{id:r,pinned:l}of a)l&&e(r,"pinned"),d.has(r)&&e(r,"a restore reads it")}for(const{id:o,volumes:a=[]}of t.toSorted(E.Kd))if((i.get(o)??[]).length!==0)for(const r of new Set(a.flatMap(({requires:l=[]})=>l)))e(r,`${o} is based on it`);return t.toSorted(E.Kd).map(({id:o})=>{const a=i.get(o)??[];return a.length>0?{id:o,keep:!0,reasons:a}:{id:o,keep:!1,reasons:[`beyond ${n.map(({name:r,count:l})=>`keep-${r} ${l}`).join(", ")}`]}})}function C(t){return[{name:"last",count:t.keepLast??0,valueOf:(d,i)=>String(i+1)},{name:"daily",count:t.keepDaily??0,valueOf:d=>d.toISOString().slice(0,10)},{name:"weekly",count:t.keepWeekly??0,valueOf:X},{name:"monthly",count:t.keepMonthly??0,valueOf:d=>d.toISOString().slice(0,7)}].filter(({count:d})=>d>0)}function F(t,s,d){let i=t.count,e;for(const[n,{id:o,createdAt:a}]of s.entries()){if(i===0)return;const r=t.valueOf(new Date(a),n);r===e&&n!==s.length-1||(d(o,r===e?`${t.name}, oldest`:`${t.name} ${r}`),e=r,i-=1)}}function V(t){return t.find(({verified:s})=>s==="database")??t.find(({verified:s})=>s==="checksum")}function L(t){return[...Map.groupBy(t,({network:s,profile:d})=>`${d} ${s}`).values()]}function X(t){const d=(t.getUTCDay()+6)%7,i=new Date(Date.UTC(t.getUTCFullYear(),t.getUTCMonth(),t.getUTCDate()-d+3)),e=Date.UTC(i.getUTCFullYear(),0,1),n=Math.floor((i.getTime()-e)/864e5/7)+1;return`${i.getUTCFullYear()}-W${String(n).padStart(2,"0")}`}const W=24*36e5;async function B(t,s){const{signal:d,dryRun:i}=s,e=s.clock??R.m,n=e.now(),{entries:o,refused:a}=i?await(0,M.Az)(t,d):await(0,P.Lq)(t,e,d),r=await Y(t,o,s,e),l=[],c=[];if(!i){const S=new Set;for(const{id:A}of r.filter(({keep:I})=>!I))if(!S.has(A))try{if(await ee(t,A,s,e))l.push(A);else for(const I of _(o,A))S.add(I)}catch(I){if(!(0,O.up)(I,J))throw I;c.push({id:A,error:I})}}const b=new Set(c.map(({id:S})=>S)),x=await w(t,n,s,b);c.push(...x.failed);const j=[...x.cleared,...await h(t,n,s)];return{decisions:r,removed:l,leftovers:j,refused:[...a,...c]}}async function Y(t,s,d,i){const e=T(s,d.retention).filter(({keep:a})=>!a),n=new Set;for(const{id:a}of e)await(0,y.sd)(t,a,i,d.signal)&&n.add(a);const o=new Map(s.map(a=>[a.id,a]));return T(s,d.retention,n).map(a=>{const r=o.get(a.id);if(a.keep||r===void 0)return a;const l=G(r.volumes,r.host,d);return l===void 0?a:{...a,keep:!0,reasons:[l]}})}function _(t,s){return(t.find(i=>i.id===s)?.volumes??[]).flatMap(({requires:i=[]})=>i)}function G(t,s,d){if(t.length!==0){if(d.volumes===void 0)return"its volume snapshot cannot be removed from here";for(const{driver:i}of t){const e=d.volumes.hinders(i,s);if(e!==void 0)return e}}}const q=N._H3({host:N.lqM(N.YjP(),""),volumes:N.YOg(u.gh)}),J="VOLUME_STAYS";async function ee(t,s,d,i){const{signal:e}=d,{volumes:n,host:o}=await(0,M.eY)(t,s,e),a=Buffer.from(`${JSON.stringify({host:o,volumes:n})}
`);return await t.put((0,$.Z7)(s),a,{contentType:"application/json",signal:e}),await(0,y.sd)(t,s,i,e)?(await t.delete((0,$.Z7)(s),e),!1):(await(0,P.Qj)(t,[],[s],i,e),await f(t,s,d),!0)}async function f(t,s,d){const{signal:i}=d,{bytes:e}=await t.get((0,$.Z7)(s),{signal:i});await t.delete((0,$.Rn)(s),i);const{volumes:n,host:o}=N.qgA(q,JSON.parse(Buffer.from(e).toString("utf8"))),a=G(n,o,d)!==void 0;if(!a)for(const l of n)await g(l,d);const r=await p(t,`${(0,$.H1)(s)}/`,i);for(const l of r.filter(c=>c!==(0,$.Z7)(s)))await t.delete(l,i);a||await t.delete((0,$.Z7)(s),i)}async function g(t,{volumes:s,signal:d}){try{await s?.remove(t)}catch(i){throw d.aborted?i:new O.lZ(J,`its volume snapshot ${t.snapshot} could not be removed (${(0,O.Uc)(i)}).`,{cause:i,hint:"The next prune tries again."})}}async function w(t,s,d,i){const{signal:e,dryRun:n}=d,o=d.clock??R.m,a=[],r=new Map;for await(const c of t.list($.mT,e)){const b=c.key.split("/")[1]??"";r.set(b,[...r.get(b)??[],c])}const l=[];for(const[c,b]of r){const x=j=>b.some(S=>S.key===j);if(x((0,$.Z7)(c))){if(i.has(c))continue;try{n||await m(t,c,x((0,$.Rn)(c)),d,o),l.push(`${(0,$.H1)(c)}/`)}catch(j){if(!(0,O.up)(j,J))throw j;a.push({id:c,error:j})}}else if(!x((0,$.Rn)(c))&&b.every(j=>v(j.modifiedAt,s))){if(!n)for(const{key:j}of b)await t.delete(j,e);l.push(`${(0,$.H1)(c)}/`)}else if(x((0,$.Rn)(c))&&!n){const j=b.filter(({key:S})=>S===(0,$.Eo)(c)||S.startsWith((0,$.db)(c)));for(const{key:S,modifiedAt:A}of j)v(A,s-W)&&await t.delete(S,e)}}return{cleared:l,failed:a}}async function m(t,s,d,i,e){d&&await(0,y.sd)(t,s,e,i.signal)||(await(0,P.Qj)(t,[],[s],e,i.signal),await f(t,s,i))}async function h(t,s,d){const i=[];for await(const{token:e,startedAt:n}of t.listUploads($.mT,d.signal))v(n,s)&&(d.dryRun||await t.abortUpload(e,d.signal),i.push(e.key));return i}function v(t,s){return t!==void 0&&s-t.getTime()>W}async function p(t,s,d){const i=[];for await(const{key:e}of t.list(s,d))i.push(e);return i}var z=k(86187);async function D(t,s){const d=await s.openStore(t.storage);try{const i=await H(s,d,t.retention,t.dryRun),e=t.dryRun?"Dry run: ":"";s.report.headline(`${e}${i} snapshots ${t.dryRun?"would be":"were"} removed from ${d.url}.`)}finally{await d.close()}}async function H(t,s,d,i){const{report:e,signal:n,clock:o}=t;return await e.phase("retention",i?"Decide what stays":"Keep what retention says",async()=>{const a=K(t,s),r=await B(s,{retention:d,dryRun:i,signal:n,clock:o,volumes:a}),l=r.decisions.filter(({keep:c})=>!c);e.table("Retention",["snapshot","","why"],r.decisions.map(({id:c,keep:b,reasons:x})=>[c,b?"stays":"goes",x.join(", ")]));for(const c of r.leftovers)e.info(`Left by a dead run${i?"":", removed"}: ${c}`);for(const{id:c,error:b}of r.refused)e.warning(`${c} is left alone: ${b.message}`);return e.output("pruned",JSON.stringify(i?l.map(({id:c})=>c):r.removed)),i||await(0,z.x)(s,n),i?l.length:r.removed.length})}function K(t,s){const{host:d,signal:i,volumes:e}=t;return{hinders:(n,o)=>e.isLocal(n)&&o!==d.hostName?`its ${n} snapshot is on ${o}: prune there`:void 0,async remove(n){const o={privilege:t.privilege("auto"),store:s};await e.snapshotter(n.driver,[],o).delete(n,i)}}}}),86187:((Q,Z,k)=>{k.d(Z,{x:()=>i});var N=k(68301),O=k(77598),R=k(99834);class ${text;constructor(n){this.text=n}}function u(e,...n){const o=e.map((a,r)=>`${a}${P(n[r])}`);return new $(o.join(""))}function P(e){return e===void 0?"":e instanceof $?e.text:typeof e=="object"?e.map(P).join(""):y(String(e))}function y(e){return e.toWellFormed().replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g,"\uFFFD").replaceAll("&","&amp;").replaceAll("<","&lt;").replaceAll(">","&gt;").replaceAll('"',"&quot;").replaceAll("'","&#39;")}const M=`
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
`,E=`
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
`,T=1e3,C=100,F=864e5;function V(e,n){const o=[...n].sort((S,A)=>S.at-A.at),a=o[0],r=o.at(-1);if(a===void 0||r===void 0||a.at===r.at)return;const l=o.map(({at:S,height:A})=>({at:S,value:A})),c=o.flatMap(({at:S,sizeBytes:A})=>A===void 0?[]:[{at:S,value:A}]),b={from:a.at,to:r.at},x=r.at-a.at>=4*F?4:1,j=Array.from({length:x+1},(S,A)=>B(b.from+(b.to-b.from)*A/x));return u`<figure class="chart" aria-label="${e} from ${B(a.at)} to ${B(r.at)}">
${L("Stacks height",l,b,{format:W,unit:1,fromZero:!1})}
${c.length<2?void 0:L("Size of the archive",c,b,{format:R.z3,unit:1024,fromZero:!0})}
<div class="axis" aria-hidden="true">${j.map(S=>u`<span>${S}</span>`)}</div>
</figure>`}function L(e,n,o,a){const r=n.map(({value:U})=>U),l=Math.max(...r),c=X(a.fromZero?0:Math.min(...r),l,a.unit),[b=0]=c,x=(c.at(-1)??1)-b,j=({at:U})=>((U-o.from)/(o.to-o.from)*T).toFixed(1),S=U=>`${j(U)} ${(C-(U.value-b)/x*C).toFixed(1)}`,A=n.map(S).join("L"),[I={at:o.from,value:0}]=n,oe=n.at(-1)??I,re=n.length>60?"":n.map(U=>`M${S(U)}h0`).join(""),se=c.map((U,de)=>`M0 ${de/(c.length-1)*C}H${T}`).join(""),ie=a.fromZero?`M${A}V${C}H${j(I)}Z`:"",ce=`${e}: from ${a.format(I.value)} to ${a.format(oe.value)}, at most ${a.format(l)}`;return u`<div class="plot">
<p class="title">${e}</p>
<div class="scale" aria-hidden="true">${c.toReversed().map(U=>u`<span>${a.format(U)}</span>`)}</div>
<svg viewBox="0 0 ${T} ${C}" preserveAspectRatio="none" role="img" aria-label="${ce}"><path class="grid" d="${se}"></path><path class="area" d="${ie}"></path><path class="line" d="M${A}"></path><path class="dots" d="${re}"></path></svg>
</div>`}function X(e,n,o){const a=n-e||Math.max(1,n),r=o>1?o**Math.floor(Math.log(Math.max(a,1))/Math.log(o)):1,l=a/r/4,c=10**Math.floor(Math.log10(l)),b=r*c*([1,2,2.5,5,10].find(A=>A*c>=l)??10),x=Math.max(1,Math.ceil(b)),S=[Math.floor(e/x)*x];for(;(S.at(-1)??0)<n||S.length<2;)S.push((S.at(-1)??0)+x);return S}function W(e){return Math.round(e).toLocaleString("en")}function B(e){return new Date(e).toISOString().slice(0,10)}const Y={files:"database files whole",A:"state has a tip",B:"header index at the state's tip",C:"highest header on its chain",D:"block store at the tip",E:"sortitions know the tip",F:"tries reach the tip",G:"burn headers reach the tip",H:"burn chain reaches the tip",integrity:"SQLite integrity",blobs:"every trie record"};function _(e,n,o){const{archive:a,id:r,network:l}=e,c=[r,l,e.stacksHeight,e.nodeVersion??"",e.createdAt,e.profile];return u`
<li data-words="${c.join(" ").toLowerCase()}"><details${new $(o?" open":"")}>
<summary class="row"><span class="cell when">${m(e.createdAt)}</span> <span class="cell chain">${l} <b>${p(e.stacksHeight)}</b></span> <span class="cell size">${G(e)}</span> <span class="cell node">${e.nodeVersion??""}</span> <span class="cell verdict">${q(e)}${e.pinned?u` <span class="pin">pinned</span>`:void 0}</span></summary>
<div class="more">
<p class="id">${r}</p>
<dl class="facts">${g(e).map(([b,x])=>u`<div><dt>${b}</dt><dd>${x}</dd></div>`)}</dl>
${J(e.checks)}
${a===null?void 0:ee(a,n)}
${a===null?void 0:f("Or restore with the action",(0,N.T2)(n,{id:r,network:l}))}
${e.volumes.length===0?void 0:f("Restore from the volume snapshot",(0,N.T2)(n,{id:r,network:l,fromVolume:!0}),"Where the volume and its snapshot are; nothing is downloaded.")}
<p class="links">${a===null?void 0:u`<a href="${v(a.key)}">Archive</a> · `}<a href="${v(e.manifest)}">Manifest<span class="unseen"> of ${r}</span></a></p>
</div>
</details></li>`}function G({archive:e,volumes:n}){if(e===null)return u`volume <span class="more-of">${n.map(({driver:a})=>a).join(", ")}</span>`;const o=e.reusedBytes===0?"sent whole":`${(0,R.z3)(e.uploadedBytes)} sent`;return u`${(0,R.z3)(e.size)} <span class="more-of">${o}${n.length===0?"":" + volume"}</span>`}function q({checks:e,verified:n}){const o=e.filter(({result:l})=>l==="failed").map(({id:l})=>l);if(o.length>0)return u`<span class="bad">✗ failed: ${o.join(", ")}</span>`;const a=e.filter(({result:l})=>l==="passed").length,r={none:"not read back",checksum:"read back",database:"read back, databases too"}[n];return a===0?u`<span class="soft">not checked</span> <span class="more-of">${r}</span>`:u`<span class="good">✓ ${a===1?"1 check":`${a} checks`} passed</span> <span class="more-of">${r}</span>`}function J(e){if(e.length===0)return;const n={passed:["good","\u2713","passed"],failed:["bad","\u2717","failed"]},o=e.map(({id:a,result:r})=>{const[l,c,b]=n[r]??["soft","\u2013","not made"],x=Object.hasOwn(Y,a)?Y[a]:a;return u`<li><span class="${l}" aria-hidden="true">${c}</span> <span class="unseen">${b}: </span>${x}</li>`});return u`<h3>Checks of the chainstate</h3>
<ul class="checks">${o}</ul>`}function ee({key:e,sha256:n},o){const{download:a,verify:r,unpack:l}=(0,N.Xm)({storage:o,key:e,hasSha256:n!==null}),c=(n===null?[e]:[e,`${e}.sha256`]).map(v),b=n===null?"Parts of it were copied on the store, so there is no digest of the whole; each part has a checksum of its own.":void 0;return u`${f("1. Download with plain tools",a.join(`
`),void 0,c.join(" "))}
${f("2. Verify",r.join(`
`),b)}
${f("3. Unpack here",l.join(`
`))}`}function f(e,n,o,a){const r=a===void 0?void 0:u` data-keys="${a}"`;return u`<h3>${e}</h3>
${o===void 0?void 0:u`<p class="note">${o}</p>`}<div class="code" data-title="${e}"><pre${r}>${n}</pre></div>`}function g(e){const{archive:n,cut:o}=e;return[["Network",e.network],["Stacks height",p(e.stacksHeight)],["Bitcoin height",e.burnHeight===null?"not known":p(e.burnHeight)],["Node version",e.nodeVersion??"not known"],["Archive",n===null?void 0:u`${(0,R.z3)(n.size)} <span class="more-of">${p(n.size)} bytes</span>`],["Unpacked",n===null?void 0:(0,R.z3)(n.tarSize)],["Reused from the one before",n===null?void 0:w(n)],["Volume snapshots",e.volumes.map(({driver:r,snapshot:l})=>`${r}: ${l}`).join("; ")],["Node was down for",o.method==="live"?"never (live)":`${o.downtimeSeconds.toFixed(1)} s (${o.method})`],["Read back",{none:"no",checksum:"every digest",database:"every digest and the databases"}[e.verified]],["Profile",e.profile],["Pruned chainstate",e.pruned?"yes":void 0],["Pinned",e.pinned?"yes, retention keeps it":void 0],["SHA-256 of the archive",n?.sha256??void 0]].filter(r=>r[1]!==void 0&&r[1]!=="")}function w({size:e,uploadedBytes:n,reusedBytes:o}){const a=e===0?0:Math.floor(o/e*1e3)/10;return o===0?"nothing":`${a} %, ${(0,R.z3)(n)} sent`}function m(e){const n=new Date(e),o=Number.isNaN(n.getTime())?e:n.toISOString().slice(0,16).replace("T"," ");return u`<time datetime="${e}" data-age>${o}</time>`}function h({createdAt:e}){return Date.parse(e)||0}function v(e){return`./${encodeURI(e.toWellFormed())}`}function p(e){return e.toLocaleString("en")}const z=6;function D({storage:e,entries:n}){const o=[...n].sort((r,l)=>h(l)-h(r));return u(ae||(ae=ne([`<!doctype html>
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
`])),s(M),s(E),new $(M),e.url,o.length===0?H():K(o,e),new $(E)).text}function H(){return u`<section class="card nothing">
<h2>There is no snapshot here yet</h2>
<p>The first run of the action with <code>command: snapshot</code> and this storage publishes one, and writes this page anew. So does every later run.</p>
</section>`}function K(e,n){const o=[...new Set(e.map(({network:r})=>r))],a=o.length>z?[]:o;return u`${a.map(r=>t(r,e.filter(l=>l.network===r)))}
<section aria-labelledby="all">
<h2 id="all">${e.length===1?"The snapshot":`All ${p(e.length)} snapshots, newest first`}</h2>
<div class="list">
<div class="row columns" aria-hidden="true"><span></span><span>Taken (UTC)</span><span>Chain</span><span>Archive</span><span>Node</span><span>Checks</span></div>
<ol class="entries">${e.map((r,l)=>_(r,n,l===0))}</ol>
</div>
</section>`}function t(e,n){const[o]=n;if(o===void 0)return u``;const{archive:a}=o,r=n.filter(c=>h(c)>0).map(c=>({at:h(c),height:c.stacksHeight,sizeBytes:c.archive?.size})),l=[["Stacks height",u`${p(o.stacksHeight)}`,o.burnHeight===null?void 0:`Bitcoin height ${p(o.burnHeight)}`],["Taken (UTC)",m(o.createdAt),void 0],[a===null?"Kept as":"Archive",u`${a===null?"volume snapshot":(0,R.z3)(a.size)}`,a===null?o.volumes.map(({driver:c})=>c).join(", "):`${(0,R.z3)(a.tarSize)} unpacked`],["Checks",q(o),void 0]];return u`<section class="card">
<h2>${e}, newest of ${n.length===1?"1 snapshot":`${p(n.length)} snapshots`}</h2>
<dl class="figures">${l.map(([c,b,x])=>u`<div><dt>${c}</dt><dd>${b}${x===void 0?void 0:u` <span class="more-of">${x}</span>`}</dd></div>`)}</dl>
${V(e,r)}
</section>`}function s(e){return`sha256-${(0,O.createHash)("sha256").update(e).digest("base64")}`}var d=k(28990);async function i(e,n){const o=await(0,d.Cb)(e,n),a=D({storage:(0,N.$t)(e),entries:o});await e.put("index.html",Buffer.from(a),{contentType:"text/html; charset=utf-8",signal:n})}})};export{fe as id,me as ids,he as modules};
