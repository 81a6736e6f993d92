var me=Object.freeze,we=Object.defineProperty;var pe=(ae,V)=>me(we(ae,"raw",{value:me(V||ae.slice())}));var ge;const ye=263,$e=[263],be={68301:((ae,V,m)=>{m.d(V,{$t:()=>D,T2:()=>T,Xm:()=>N});var P=m(35475);function D({url:O,s3Endpoint:j}){return{url:O,s3Endpoint:j}}function N({storage:O,key:j,hasSha256:H}){const k=j.split("/").at(-1)??j;return{download:(H?[j,`${j}.sha256`]:[j]).map(z=>y(O,z)),verify:[H?`sha256sum -c ${c(`${k}.sha256`)}`:`zstd -t ${c(k)}`],unpack:[`tar --zstd -xf ${c(k)}`]}}function T(O,{id:j,network:H,fromVolume:k}){const{s3Endpoint:z}=O;return["- uses: OWNER/chainstate-snapshot@v0","  with:",...[["command","restore"],["storage",O.url],...z===void 0?[]:[["s3-endpoint",z.url]],...z?.isPathStyle===!0?[["s3-force-path-style","true"]]:[],["snapshot",j],...k===!0?[["method","volume"]]:[],["chainstate-dir",`/var/stacks/${H}`]].map(([$,R])=>`    ${$}: ${X(R)}`)].join(`
`)}function y({url:O,s3Endpoint:j},H){const k=`${O.replace(/\/+$/,"")}/${H}`,z=/^([a-z0-9]+):\/\//.exec(k)?.[1];if(z==="s3")return`aws s3 cp${j===void 0?"":` --endpoint-url ${c(j.url)}`} ${c(k)} .`;if(z==="gs")return`gcloud storage cp ${c(k)} .`;if(z==="file")return`cp ${c(decodeURIComponent(new URL(k).pathname))} .`;if(z==="az"){const[I="",$="",...R]=k.slice(5).split("/");return`az storage blob download ${[["--account-name",I],["--container-name",$],["--name",R.join("/")],["--file",R.at(-1)??""]].map(([F="",E=""])=>`${F} ${c(E)}`).join(" ")}`}return`curl --fail --location --retry 9 --continue-at - --remote-name ${c(k)}`}function c(O){return/^[A-Za-z0-9_@%+=:,./-]+$/.test(O)&&!O.startsWith("-")?O:(0,P.h)(O)}function X(O){return/^[A-Za-z/][A-Za-z0-9_@%+=./-]*(?::[A-Za-z0-9_@%+=./-]+)*$/.test(O)?O:JSON.stringify(O)}}),9688:((ae,V,m)=>{m.d(V,{Qj:()=>_,eN:()=>L,mk:()=>E,Lq:()=>te});var P=m(57975),D=m(77934),N=m(56046),T=m(37218),y=m(29063),c=m(68970),X=m(31323),O=m(28990),j=m(47318),H=m(19778);const k=40,z={firstPauseMs:50,longestPauseMs:2e3},I=1500;async function $(l,u,g,w,b){const M={attempts:k,...z,passes:v=>v instanceof R&&v,signal:b,clock:w};try{await(0,j.L5)(M,async()=>{const v=await x(l,u,b),A=await g(v?.bytes);if(A!==void 0){if(!await F(l,u,A,v,b))throw new R(0);if(!l.capabilities.conditionalWrites)throw new R(I*(.5+Math.random()))}})}catch(v){throw v instanceof R?new N.lZ("CATALOG_BUSY",`${l.urlOf(u)} was changed by others each of ${k} times.`,{hint:"Run this again, and let fewer hosts publish to one prefix at the same moment."}):v}}class R extends Error{afterMs;constructor(u){super("The object is not as it is to be."),this.afterMs=u}}async function x(l,u,g){try{const{bytes:w,info:b}=await l.get(u,{signal:g,atMostBytes:H.VN});return{bytes:w,etag:b.etag}}catch(w){if((0,N.up)(w,"OBJECT_NOT_FOUND"))return;if(!(0,N.up)(w,"OBJECT_TOO_LARGE"))throw w;const b=await l.head(u,g);return b===void 0?void 0:{bytes:new Uint8Array,etag:b.etag}}}async function F(l,u,g,w,b){const M=w===void 0?{ifAbsent:!0}:w.etag===void 0?{}:{ifMatch:w.etag};try{return await l.put(u,g,{...M,contentType:"application/json",signal:b}),!0}catch(v){if((0,N.up)(v,"PRECONDITION_FAILED"))return!1;throw v}}async function E(l,u,g,w=T.m,{onWritten:b,signer:M}={}){const v=await J(l,u.id,g),{manifest:A,bytes:U}=(0,X.H)({...u,...v===void 0?{}:{sequence:v},...M===void 0?{}:{signedBy:M.fingerprint}}),{id:Z}=A;if(await Y(l,A,g),M!==void 0){const Q={key:(0,c.cx)(Z),contentType:"text/plain"};await q(l,Q,await M.sign(U),g)}return await q(l,{key:(0,c.Rn)(Z),contentType:"application/json"},U,g),b?.(A),await oe(l,(0,y.Ms)(A),w,g),await ie(l,(0,y.Ms)(A),w,g),await l.delete((0,c.Eo)(A.id),g).catch(()=>{}),A}async function L(l,u,g,w,b){const M=1+G(await(0,O.Cb)(l,b));for(let v=0;v<60;v+=1){const A=new Date(g.getTime()+v*1e3),U=(0,c.iy)(u.network,u.stacksHeight,A),Z=Buffer.from(`${JSON.stringify({runId:w,at:g.toISOString(),sequence:M})}
`);try{if(await l.head((0,c.Rn)(U),b)!==void 0)continue;return await l.put((0,c.Eo)(U),Z,{ifAbsent:!0,contentType:"application/json",signal:b}),{id:U,at:A}}catch(Q){if(!(0,N.up)(Q,"PRECONDITION_FAILED"))throw Q}}throw new N.lZ("SNAPSHOT_EXISTS",`Sixty snapshots of height ${u.stacksHeight} are being made in ${l.url}.`,{hint:"Give each host a prefix of its own."})}function G(l){return l.reduce((u,{sequence:g=0})=>Math.max(u,g),0)}const ee=D._H3({sequence:D.FsL(D.aig(),D.Y2b(),D.Wwf(0))});async function J(l,u,g){const w=await(0,H.Zu)(l,(0,c.Eo)(u),g),b=D.xLC(ee,w===void 0?void 0:(0,H.qF)(w));return b.success?b.output.sequence:void 0}async function te(l,u,g,w=!1){const b=new Map((await(0,O.ak)(l,g))?.map(B=>[B.id,B])),M=await(0,O.Az)(l,g,w?b:new Map),v=M.entries.map(B=>({...b.get(B.id),...B})),A=new Set(v.map(({id:B})=>B)),U=v.filter(B=>!(0,P.isDeepStrictEqual)(b.get(B.id),B)),Z=[...b.keys()].filter(B=>!A.has(B));(U.length>0||Z.length>0)&&await _(l,U,Z,u,g);const[Q]=v.toSorted((0,y.nO)(u.now()));return Q!==void 0&&await ie(l,Q,u,g),{entries:v,refused:M.refused,repaired:[...U.map(({id:B})=>B),...Z]}}async function _(l,u,g,w,b){const M=new Set([...u.map(({id:v})=>v),...g]);await $(l,c.Vz,async v=>{const A=v===void 0?void 0:(0,y.uM)(v,l.urlOf(c.Vz))?.snapshots,Z=[...(A??(await(0,O.Az)(l,b)).entries).filter(({id:Q})=>!M.has(Q)),...u].sort(y.Kd);if(!(0,P.isDeepStrictEqual)(A,Z))return(0,y.Jj)(Z,new Date(w.now()))},w,b)}async function Y(l,u,g){const{archive:w,volumes:b}=u;for(const M of new Set((0,y.Ms)(u).volumes.flatMap(({requires:v=[]})=>v)))if(await l.head((0,c.Rn)(M),g)===void 0)throw new N.lZ("SNAPSHOT_INCOMPLETE",`${b[0]?.snapshot??u.id} is based on ${M}, which was removed meanwhile, so the snapshot is not published.`,{hint:"Run this again: it is then based on another one."});if(w!==void 0)for(const{key:M,size:v}of[w,w.index]){const A=await l.head(M,g);if(A?.size===v)continue;const U=A===void 0?"does not exist":`has ${A.size} bytes instead of ${v}`;throw new N.lZ("SNAPSHOT_INCOMPLETE",`${l.urlOf(M)} ${U}, so the snapshot is not published.`,{hint:"Something else writes to that prefix, or the store lost it. Run this again."})}}async function q(l,{key:u,contentType:g},w,b){try{await l.put(u,w,{ifAbsent:!0,contentType:g,signal:b})}catch(M){if(!(0,N.up)(M,"PRECONDITION_FAILED"))throw M;const v=await(0,H.Zu)(l,u,b);if(v!==void 0&&Buffer.compare(v,w)===0)return;throw new N.lZ("SNAPSHOT_EXISTS",`There is ${l.urlOf(u)} already; it is never overwritten.`,{cause:M,hint:"Another host published the same height in the same second. Run this again."})}}async function oe(l,u,g,w){await _(l,[u],[],g,w),await te(l,g,w,!0)}async function ie(l,u,g,w){const b=Buffer.from(`${JSON.stringify({id:u.id,manifest:(0,c.Rn)(u.id)})}
`);await $(l,c.p8,async M=>{const v=M===void 0?void 0:(0,O.Eg)(M);if(v===u.id)return;const A=v===void 0?void 0:await se(l,v,w);return A!==void 0&&(0,y.nO)(g.now())((0,y.Ms)(A),u)<0?void 0:b},g,w)}async function se(l,u,g){try{return await(0,O.eY)(l,u,g)}catch(w){if(w instanceof N.lZ&&O.$m.has(w.code))return;throw w}}}),67263:((ae,V,m)=>{m.r(V),m.d(V,{prune:()=>Z,tryApplyRetention:()=>Q});var P=m(56046),D=m(77934),N=m(37218),T=m(29063),y=m(68970),c=m(66632),X=m(9688),O=m(2388),j=m(28990);function H(a,i,{now:e,announced:t=new Set,published:n}){const s=new Map(a.map(({id:r})=>[r,[]])),o=(r,h)=>{r!==void 0&&s.get(r)?.push(h)},d=z(i);for(const r of R(a)){const h=r.toSorted(T.Kd),f=k(h,e);if(d.length===0)for(const{id:p}of h)o(p,"no rule is set");for(const p of d)I(p,f,o);const C=r.toSorted((0,T.nO)(e));o(C[0]?.id,"newest"),o($(C)?.id,"newest verified");const S=new Set(f.map(({id:p})=>p));for(const{id:p,pinned:W}of h)S.has(p)||o(p,"dated after now"),W&&o(p,"pinned"),p===n&&o(p,"published by this run"),t.has(p)&&o(p,"a restore reads it")}for(const{id:r,volumes:h=[]}of a.toSorted(T.Kd))if((s.get(r)??[]).length!==0)for(const f of new Set(h.flatMap(({requires:C=[]})=>C)))o(f,`${r} is based on it`);return a.toSorted(T.Kd).map(({id:r})=>{const h=s.get(r)??[];return h.length>0?{id:r,keep:!0,reasons:h}:{id:r,keep:!1,reasons:[`beyond ${d.map(({name:f,count:C})=>`keep-${f} ${C}`).join(", ")}`]}})}function k(a,i){const e=[];for(const t of a){const n=e.at(-1);(0,T.dS)(t,i)?t.sequence!==void 0&&n!==void 0&&e.push({id:t.id,at:n.at}):e.push({id:t.id,at:new Date((0,T.Fm)(t))})}return e}function z(a){return[{name:"last",count:a.keepLast??0,valueOf:(e,t)=>String(t+1)},{name:"daily",count:a.keepDaily??0,valueOf:e=>e.toISOString().slice(0,10)},{name:"weekly",count:a.keepWeekly??0,valueOf:x},{name:"monthly",count:a.keepMonthly??0,valueOf:e=>e.toISOString().slice(0,7)}].filter(({count:e})=>e>0)}function I(a,i,e){const t=new Set;for(const[n,{id:s,at:o}]of i.entries()){if(t.size===a.count)return;const d=a.valueOf(o,n),r=t.has(d);r&&n!==i.length-1||(e(s,r?`${a.name}, oldest`:`${a.name} ${d}`),t.add(d))}}function $(a){return a.find(({verified:i})=>i==="database")??a.find(({verified:i})=>i==="checksum")}function R(a){return[...Map.groupBy(a,({network:i,profile:e})=>`${e} ${i}`).values()]}function x(a){const e=(a.getUTCDay()+6)%7,t=new Date(Date.UTC(a.getUTCFullYear(),a.getUTCMonth(),a.getUTCDate()-e+3)),n=Date.UTC(t.getUTCFullYear(),0,1),s=Math.floor((t.getTime()-n)/864e5/7)+1;return`${t.getUTCFullYear()}-W${String(s).padStart(2,"0")}`}var F=m(19778);const E=24*36e5;async function L(a,i){const{signal:e,dryRun:t}=i,n=i.clock??N.m,s=t?void 0:await g(a,n,e),o=s===void 0?n:w(n,s),d=o.now(),r=[],{entries:h,refused:f}=t?await(0,j.Az)(a,e):await(0,X.Lq)(a,o,e),C=await G(a,h,i,o),S=(0,T.AQ)(h,d);S!==void 0&&r.push(S),n.now()>d+T.QY&&r.push(`The clock of this host is ahead of the one of ${a.url}; the latter is gone by.`);const p=[],W=[];if(!t){const ce=new Set;for(const{id:de}of C.filter(({keep:ne})=>!ne))if(!ce.has(de))try{if(await Y(a,de,i,o))p.push(de);else for(const ne of ee(h,de))ce.add(ne)}catch(ne){if(!(0,P.up)(ne,_))throw ne;W.push({id:de,error:ne})}}const re=new Set(W.map(({id:ce})=>ce)),ue=await ie(a,o,i,re),he=[...ue.cleared,...await l(a,d,i)];return{decisions:C,removed:p,notices:r,leftovers:he,refused:[...f,...W,...ue.failed]}}async function G(a,i,e,t){const n={now:t.now(),published:e.published},s=H(i,e.retention,n).filter(({keep:r})=>!r),o=new Set;for(const{id:r}of s)await(0,O.sd)(a,r,t,e.signal)&&o.add(r);const d=new Map(i.map(r=>[r.id,r]));return H(i,e.retention,{...n,announced:o}).map(r=>{const h=d.get(r.id);if(r.keep||h===void 0)return r;const f=J(h.volumes,h.host,e);return f===void 0?r:{...r,keep:!0,reasons:[f]}})}function ee(a,i){return(a.find(t=>t.id===i)?.volumes??[]).flatMap(({requires:t=[]})=>t)}function J(a,i,e){if(a.length!==0){if(e.volumes===void 0)return"its volume snapshot cannot be removed from here";for(const{driver:t}of a){const n=e.volumes.reasonNotRemovable(t,i);if(n!==void 0)return n}}}const te=D._H3({host:D.lqM(D.YjP(),""),volumes:D.YOg(c.gh)}),_="VOLUME_STAYS";async function Y(a,i,e,t){const{signal:n}=e,{volumes:s,host:o}=await(0,j.eY)(a,i,n),d=Buffer.from(`${JSON.stringify({host:o,volumes:s})}
`);return await a.put((0,y.Z7)(i),d,{contentType:"application/json",signal:n}),await(0,O.sd)(a,i,t,n)?(await a.delete((0,y.Z7)(i),n),!1):(await(0,X.Qj)(a,[],[i],t,n),await q(a,i,e),!0)}async function q(a,i,e){const{signal:t}=e,{bytes:n}=await a.get((0,y.Z7)(i),{signal:t,atMostBytes:F.zo});await a.delete((0,y.Rn)(i),t);const{volumes:s,host:o}=D.qgA(te,(0,F.qF)(n)),d=J(s,o,e)!==void 0;if(!d)for(const h of s)await oe(h,e);const r=await M(a,`${(0,y.H1)(i)}/`,t);for(const h of r.filter(f=>f!==(0,y.Z7)(i)))await a.delete(h,t);d||await a.delete((0,y.Z7)(i),t)}async function oe(a,{volumes:i,signal:e}){try{await i?.remove(a)}catch(t){throw e.aborted?t:new P.lZ(_,`its volume snapshot ${a.snapshot} could not be removed (${(0,P.Uc)(t)}).`,{cause:t,hint:"The next prune tries again."})}}async function ie(a,i,e,t){const{signal:n,dryRun:s}=e,o=i.now(),d=[],r=new Map;for await(const f of a.list(y.mT,n)){const C=f.key.split("/")[1]??"";r.set(C,[...r.get(C)??[],f])}const h=[];for(const[f,C]of r){const S=p=>C.some(W=>W.key===p);if(S((0,y.Z7)(f))){if(t.has(f))continue;try{s||await se(a,f,S((0,y.Rn)(f)),e,i),h.push(`${(0,y.H1)(f)}/`)}catch(p){if(!(0,P.up)(p,_))throw p;d.push({id:f,error:p})}}else if(!S((0,y.Rn)(f))&&C.every(p=>b(p.modifiedAt,o))){if(!s)for(const{key:p}of C)await a.delete(p,n);h.push(`${(0,y.H1)(f)}/`)}else if(S((0,y.Rn)(f))&&!s){const p=C.filter(({key:W})=>W===(0,y.Eo)(f)||W.startsWith((0,y.db)(f)));for(const{key:W,modifiedAt:re}of p)b(re,o-E)&&await a.delete(W,n)}}return{cleared:h,failed:d}}async function se(a,i,e,t,n){e&&await(0,O.sd)(a,i,n,t.signal)||(await(0,X.Qj)(a,[],[i],n,t.signal),await q(a,i,t))}async function l(a,i,e){const t=[];for await(const{token:n,startedAt:s}of a.listUploads(y.mT,e.signal))b(s,i)&&(e.dryRun||await a.abortUpload(n,e.signal),t.push(n.key));return t}const u="time.json";async function g(a,i,e){const t=Buffer.from(`${JSON.stringify({at:new Date(i.now()).toISOString()})}
`);await a.put(u,t,{contentType:"application/json",signal:e});const n=await a.head(u,e);return await a.delete(u,e),n?.modifiedAt?.getTime()}function w(a,i){const e=Math.max(0,a.now()-i);return{now:()=>a.now()-e,sleep:async(t,n)=>await a.sleep(t,n)}}function b(a,i){return a!==void 0&&i-a.getTime()>E}async function M(a,i,e){const t=[];for await(const{key:n}of a.list(i,e))t.push(n);return t}var v=m(44702),A=m(23161),U=m(51699);async function Z(a,i){const{dryRun:e,sudo:t,retention:n}=a;await(0,U.aH)(i,a,async s=>{const o=await B(i,s,n,{sudo:t,dryRun:e}),r=e?"would be":o!==1?"were":"was";i.report.headline(`${e?"Dry run: ":""}${(0,v.B4)(o,"snapshot")} ${r} removed from ${s.url}.`)})}async function Q(a,i,e,t){if(Object.keys(e).length!==0)try{await B(a,i,e,t)}catch(n){(0,P.Te)(a.signal),a.report.warning(`The snapshot is published, but older ones could not all be removed, which the next run tries again: ${(0,P.Uc)(n)}`)}}async function B(a,i,e,{sudo:t,dryRun:n=!1,published:s}){const{report:o,signal:d,clock:r}=a;return await o.phase("retention",n?"Decide what stays":"Keep what retention says",async()=>{const h=fe(a,i,t),f=await L(i,{retention:e,dryRun:n,signal:d,clock:r,volumes:h,published:s}),C=f.decisions.filter(({keep:S})=>!S);o.table("Retention",["snapshot","","why"],f.decisions.map(({id:S,keep:p,reasons:W})=>[S,p?"stays":"goes",W.join(", ")]));for(const S of f.leftovers)o.info(`Left by a dead run${n?"":", removed"}: ${S}`);for(const S of f.notices)o.warning(S);for(const{id:S,error:p}of f.refused)o.warning(`${S} is left alone: ${p.message}`);return n&&o.output("plan",JSON.stringify({removes:C.map(({id:S})=>S)})),n||o.output("pruned",JSON.stringify(f.removed)),n||await(0,A.K)(a,i),n?C.length:f.removed.length})}function fe(a,i,e){const{host:t,signal:n,volumes:s}=a;return{reasonNotRemovable:(o,d)=>s.isLocal(o)&&d!==t.hostName?`its ${o} snapshot is on ${d}: prune there`:void 0,async remove(o){const d={privilege:a.privilege(e),store:i};await s.snapshotter(o.driver,[],d).delete(o,n)}}}}),23161:((ae,V,m)=>{m.d(V,{m:()=>fe,K:()=>i});var P=m(68301),D=m(68970),N=m(77598),T=m(99834);class y{text;constructor(t){this.text=t}}function c(e,...t){const n=e.map((s,o)=>`${s}${X(t[o])}`);return new y(n.join(""))}function X(e){return e===void 0?"":e instanceof y?e.text:typeof e=="object"?e.map(X).join(""):O(String(e))}function O(e){return e.toWellFormed().replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g,"\uFFFD").replaceAll("&","&amp;").replaceAll("<","&lt;").replaceAll(">","&gt;").replaceAll('"',"&quot;").replaceAll("'","&#39;")}const j=`
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
`,H=`
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
`,k=1e3,z=100,I=864e5;function $(e,t){const n=[...t].sort((S,p)=>S.at-p.at),s=n[0],o=n.at(-1);if(s===void 0||o===void 0||s.at===o.at)return;const d=n.map(({at:S,height:p})=>({at:S,value:p})),r=n.flatMap(({at:S,sizeBytes:p})=>p===void 0?[]:[{at:S,value:p}]),h={from:s.at,to:o.at},f=o.at-s.at>=4*I?4:1,C=Array.from({length:f+1},(S,p)=>E(h.from+(h.to-h.from)*p/f));return c`<figure class="chart" aria-label="${e} from ${E(s.at)} to ${E(o.at)}">
${R("Stacks height",d,h,{format:F,unit:1,fromZero:!1})}
${r.length<2?void 0:R("Size of the archive",r,h,{format:T.z3,unit:1024,fromZero:!0})}
<div class="axis" aria-hidden="true">${C.map(S=>c`<span>${S}</span>`)}</div>
</figure>`}function R(e,t,n,s){const o=t.map(({value:K})=>K),d=o.reduce((K,le)=>Math.max(K,le),-1/0),r=o.reduce((K,le)=>Math.min(K,le),1/0),h=x(s.fromZero?0:r,d,s.unit),[f=0]=h,C=(h.at(-1)??1)-f,S=({at:K})=>((K-n.from)/(n.to-n.from)*k).toFixed(1),p=K=>`${S(K)} ${(z-(K.value-f)/C*z).toFixed(1)}`,W=t.map(p).join("L"),[re={at:n.from,value:0}]=t,ue=t.at(-1)??re,he=t.length>60?"":t.map(K=>`M${p(K)}h0`).join(""),ce=h.map((K,le)=>`M0 ${le/(h.length-1)*z}H${k}`).join(""),de=s.fromZero?`M${W}V${z}H${S(re)}Z`:"",ne=`${e}: from ${s.format(re.value)} to ${s.format(ue.value)}, at most ${s.format(d)}`;return c`<div class="plot">
<p class="title">${e}</p>
<div class="scale" aria-hidden="true">${h.toReversed().map(K=>c`<span>${s.format(K)}</span>`)}</div>
<svg viewBox="0 0 ${k} ${z}" preserveAspectRatio="none" role="img" aria-label="${ne}"><path class="grid" d="${ce}"></path><path class="area" d="${de}"></path><path class="line" d="M${W}"></path><path class="dots" d="${he}"></path></svg>
</div>`}function x(e,t,n){const s=t-e||Math.max(1,t),o=n>1?n**Math.floor(Math.log(Math.max(s,1))/Math.log(n)):1,d=s/o/4,r=10**Math.floor(Math.log10(d)),h=o*r*([1,2,2.5,5,10].find(p=>p*r>=d)??10),f=Math.max(1,Math.ceil(h)),S=[Math.floor(e/f)*f];for(;(S.at(-1)??0)<t||S.length<2;)S.push((S.at(-1)??0)+f);return S}function F(e){return Math.round(e).toLocaleString("en")}function E(e){return new Date(e).toISOString().slice(0,10)}const L={files:"database files whole",A:"state has a tip",B:"header index at the state's tip",C:"highest header on its chain",D:"block store at the tip",E:"sortitions know the tip",F:"tries reach the tip",G:"burn headers reach the tip",H:"burn chain reaches the tip",integrity:"SQLite integrity",blobs:"every trie record"};function G(e,t,n){const{archive:s,id:o,network:d}=e,r=[o,d,e.stacksHeight,e.nodeVersion??"",e.createdAt,e.profile];return c`
<li data-words="${r.join(" ").toLowerCase()}"><details${new y(n?" open":"")}>
<summary class="row"><span class="cell when">${ie(e.createdAt)}</span> <span class="cell chain">${d} <b>${u(e.stacksHeight)}</b></span> <span class="cell size">${ee(e)}</span> <span class="cell node">${e.nodeVersion??""}</span> <span class="cell verdict">${J(e)}${e.pinned?c` <span class="pin">pinned</span>`:void 0}</span></summary>
<div class="more">
<p class="id">${o}</p>
<dl class="facts">${q(e).map(([h,f])=>c`<div><dt>${h}</dt><dd>${f}</dd></div>`)}</dl>
${te(e.checks)}
${s===null?void 0:_(s,t)}
${s===null?void 0:Y("Or restore with the action",(0,P.T2)(t,{id:o,network:d}))}
${e.volumes.length===0?void 0:Y("Restore from the volume snapshot",(0,P.T2)(t,{id:o,network:d,fromVolume:!0}),"Where the volume and its snapshot are; nothing is downloaded.")}
<p class="links">${s===null?void 0:c`<a href="${l(s.key)}">Archive</a> · `}<a href="${l(e.manifest)}">Manifest<span class="unseen"> of ${o}</span></a>${e.signedBy===void 0?void 0:c` · <a href="${l(`${e.manifest}.sig`)}">Signature<span class="unseen"> of ${o}</span></a>`}</p>
</div>
</details></li>`}function ee({archive:e,volumes:t}){if(e===null)return c`volume <span class="more-of">${t.map(({driver:s})=>s).join(", ")}</span>`;const n=e.reusedBytes===0?"sent whole":`${(0,T.z3)(e.uploadedBytes)} sent`;return c`${(0,T.z3)(e.size)} <span class="more-of">${n}${t.length===0?"":" + volume"}</span>`}function J({checks:e,verified:t}){const n=e.filter(({result:d})=>d==="failed").map(({id:d})=>d);if(n.length>0)return c`<span class="bad">✗ failed: ${n.join(", ")}</span>`;const s=e.filter(({result:d})=>d==="passed").length,o={none:"not read back",checksum:"read back",database:"read back, databases too"}[t];return s===0?c`<span class="soft">not checked</span> <span class="more-of">${o}</span>`:c`<span class="good">✓ ${s===1?"1 check":`${s} checks`} passed</span> <span class="more-of">${o}</span>`}function te(e){if(e.length===0)return;const t=new Map([["passed",["good","\u2713","passed"]],["failed",["bad","\u2717","failed"]]]),n=e.map(({id:s,result:o})=>{const[d,r,h]=t.get(o)??["soft","\u2013","not made"],f=Object.hasOwn(L,s)?L[s]:s;return c`<li><span class="${d}" aria-hidden="true">${r}</span> <span class="unseen">${h}: </span>${f}</li>`});return c`<h3>Checks of the chainstate</h3>
<ul class="checks">${n}</ul>`}function _({key:e,sha256:t},n){const{download:s,verify:o,unpack:d}=(0,P.Xm)({storage:n,key:e,hasSha256:t!==null}),r=(t===null?[e]:[e,`${e}.sha256`]).map(l),h=t===null?"Parts of it were copied on the store, so there is no digest of the whole; each part has a checksum of its own.":void 0;return c`${Y("1. Download with plain tools",s.join(`
`),void 0,r.join(" "))}
${Y("2. Verify",o.join(`
`),h)}
${Y("3. Unpack here",d.join(`
`))}`}function Y(e,t,n,s){const o=s===void 0?void 0:c` data-keys="${s}"`;return c`<h3>${e}</h3>
${n===void 0?void 0:c`<p class="note">${n}</p>`}<div class="code" data-title="${e}"><pre${o}>${t}</pre></div>`}function q(e){const{archive:t,cut:n}=e;return[["Network",e.network],["Stacks height",u(e.stacksHeight)],["Bitcoin height",e.burnHeight===null?"not known":u(e.burnHeight)],["Node version",e.nodeVersion??"not known"],["Archive",t===null?void 0:c`${(0,T.z3)(t.size)} <span class="more-of">${u(t.size)} bytes</span>`],["Unpacked",t===null?void 0:(0,T.z3)(t.tarSize)],["Reused from the one before",t===null?void 0:oe(t)],["In WALs of databases",t?.carriedWalBytes===void 0?void 0:(0,T.z3)(t.carriedWalBytes)],["Volume snapshots",e.volumes.map(({driver:o,snapshot:d})=>`${o}: ${d}`).join("; ")],["Node was down for",n.method==="live"?"never (live)":`${n.downtimeSeconds.toFixed(1)} s (${n.method})`],["Read back",{none:"no",checksum:"every digest",database:"every digest and the databases"}[e.verified]],["Profile",e.profile],["Pruned chainstate",e.pruned?"yes":void 0],["Pinned",e.pinned?"yes, retention keeps it":void 0],["SHA-256 of the archive",t?.sha256??void 0],["Signed with",e.signedBy]].filter(o=>o[1]!==void 0&&o[1]!=="")}function oe({size:e,uploadedBytes:t,reusedBytes:n}){const s=e===0?0:Math.floor(n/e*1e3)/10;return n===0?"nothing":`${s} %, ${(0,T.z3)(t)} sent`}function ie(e){const t=new Date(e),n=Number.isNaN(t.getTime())?e:t.toISOString().slice(0,16).replace("T"," ");return c`<time datetime="${e}" data-age>${n}</time>`}function se({createdAt:e}){return Date.parse(e)||0}function l(e){return`./${encodeURI(e.toWellFormed())}`}function u(e){return e.toLocaleString("en")}const g=6;function w({storage:e,entries:t}){const n=[...t].sort((o,d)=>se(d)-se(o));return c(ge||(ge=pe([`<!doctype html>
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
`])),A(j),A(H),new y(j),e.url,n.length===0?b():M(n,e),new y(H)).text}function b(){return c`<section class="card nothing">
<h2>There is no snapshot here yet</h2>
<p>The first run of the action with <code>command: snapshot</code> and this storage publishes one, and writes this page anew. So does every later run.</p>
</section>`}function M(e,t){const n=[...new Set(e.map(({network:o})=>o))],s=n.length>g?[]:n;return c`${s.map(o=>v(o,e.filter(d=>d.network===o)))}
<section aria-labelledby="all">
<h2 id="all">${e.length===1?"The snapshot":`All ${u(e.length)} snapshots, newest first`}</h2>
<div class="list">
<div class="row columns" aria-hidden="true"><span></span><span>Taken (UTC)</span><span>Chain</span><span>Archive</span><span>Node</span><span>Checks</span></div>
<ol class="entries">${e.map((o,d)=>G(o,t,d===0))}</ol>
</div>
</section>`}function v(e,t){const[n]=t;if(n===void 0)return c``;const{archive:s}=n,o=t.filter(r=>se(r)>0).map(r=>({at:se(r),height:r.stacksHeight,sizeBytes:r.archive?.size})),d=[["Stacks height",c`${u(n.stacksHeight)}`,n.burnHeight===null?void 0:`Bitcoin height ${u(n.burnHeight)}`],["Taken (UTC)",ie(n.createdAt),void 0],[s===null?"Kept as":"Archive",c`${s===null?"volume snapshot":(0,T.z3)(s.size)}`,s===null?n.volumes.map(({driver:r})=>r).join(", "):`${(0,T.z3)(s.tarSize)} unpacked`],["Checks",J(n),void 0]];return c`<section class="card">
<h2>${e}, newest of ${t.length===1?"1 snapshot":`${u(t.length)} snapshots`}</h2>
<dl class="figures">${d.map(([r,h,f])=>c`<div><dt>${r}</dt><dd>${h}${f===void 0?void 0:c` <span class="more-of">${f}</span>`}</dd></div>`)}</dl>
${$(e,o)}
</section>`}function A(e){return`sha256-${(0,N.createHash)("sha256").update(e).digest("base64")}`}var U=m(9688),Z=m(28990),Q=m(44231),B=m(41155);async function fe(e,t,n,s){const{report:o,signal:d,clock:r}=e;await o.phase("publish","Publish",async()=>{let h;try{const f=C=>{h=C};await(0,U.mk)(t,n,d,r,{onWritten:f,signer:s})}catch(f){throw await a(e,t,n,h),f}await(0,B.t)(e,t,h??n),await i(e,t)})}async function a(e,t,n,s){const{id:o}=n;await(0,Q.z)(e.report,`find out whether ${o} was published`,async d=>{s===void 0&&await t.head((0,D.Rn)(o),d)===void 0||(await(0,B.t)(e,t,s??n),e.report.warning(`${o} is in ${t.url} and can be restored; the catalogue may not list it before the next snapshot or prune.`))})}async function i({report:e},t){const n={warning:s=>e.notice(s)};await(0,Q.z)(n,"write the page of all snapshots, index.html",async s=>{const o=await(0,Z.Cb)(t,s),d=w({storage:(0,P.$t)(t),entries:o});await t.put("index.html",Buffer.from(d),{contentType:"text/html; charset=utf-8",signal:s})})}}),9357:((ae,V,m)=>{m.d(V,{E:()=>P});function P(D,{archive:N,volume:T}){const y=N?.chosen?.freezer.name,c=y??T?.snapshotter.driver??"cold";return D.cut==="live"?{method:"live",freezer:c}:{method:y==="cold"||y===void 0&&(D.cut==="cold"||T?.isSlow===!0)?"cold":"frozen",freezer:c}}}),41155:((ae,V,m)=>{m.d(V,{$:()=>H,t:()=>O});var P=m(77598),D=m(51455),N=m(76760),T=m(68301),y=m(66632),c=m(99834),X=m(9357);async function O(k,z,I){const{report:$,host:R}=k,{archive:x,chain:F,cut:E,id:L,volumes:G}=I,ee=(0,N.join)(R.tempDir,`${L}.manifest.json`),J=`${JSON.stringify(I,void 0,2)}
`;await(0,D.writeFile)(ee,J),$.output("snapshot-id",L),$.output("manifest-url",z.urlOf(`snapshots/${L}/manifest.json`)),$.output("manifest-path",ee),I.digest!==void 0&&$.output("manifest-digest",(0,P.createHash)("sha256").update(J).digest("hex")),$.output("downtime-seconds",String(E.downtimeSeconds)),$.fact("Snapshot",L),I.signedBy!==void 0&&$.fact("Signed with",I.signedBy);const te=E.freezer===y.SW;if(te||$.fact("Cut",`${E.method}, frozen by ${E.freezer}, at ${E.at}`),x!==void 0){const Y=z.urlOf(x.key);$.output("archive-url",Y),$.output("size-bytes",String(x.size)),$.output("uploaded-bytes",String(x.uploadedBytes)),$.fact("Archive",`${x.files} files, ${(0,c.z3)(x.tarSize)} in ${(0,c.z3)(x.size)}`);const q=x.reused?.frames??0,oe=(0,c.pR)(x.reused?.bytes??0,x.size);$.output("reused-frames",String(q)),$.output("reused-percent",oe),x.reused!==void 0&&$.fact("Reused",`${q} of ${x.frames} frames, ${oe} % of the bytes, from ${x.reused.from}`),j(k,x),$.link("Archive",Y),$.commands("Restore it by hand",Object.values((0,T.Xm)({storage:(0,T.$t)(z),key:x.key,hasSha256:x.sha256!==void 0})).flat())}G.length>0&&($.output("volume-snapshots",JSON.stringify(G)),$.fact("Volume snapshot",G.map(({driver:Y,snapshot:q})=>`${Y} ${q}`).join(", ")));const _=te?"no node was touched":`downtime ${E.downtimeSeconds} s`;$.headline(`Snapshot ${L} at Stacks height ${F.stacksHeight} is published; ${_}.`)}function j({report:k},{databases:z=[],uploadedBytes:I}){k.fact("Sent",(0,c.z3)(I));const $=z.filter(E=>E.carried!==void 0);if(z.length===0)return;const R=z.length-$.length;if($.length===0){k.fact("Databases",`${R} archived whole; the next snapshot can send what changes in them`);return}const x=$.reduce((E,L)=>E+(L.carried?.changedPages??0),0),F=(0,c.z3)((0,y.IQ)(z));k.fact("Databases",`${x} changed pages of ${$.length} sent, ${R} archived whole; their WALs have ${F}`)}function H({config:k,ctx:z},I,$,{checks:R,verified:x,proof:F,downtimeSeconds:E}){const{node:L}=I,{archive:G,volumes:ee,cleanStop:J}=$;return{version:1,id:$.id,createdAt:new Date(z.clock.now()).toISOString(),kind:k.method,tool:z.host.tool,host:z.host.hostName,node:{manager:L.control.identity.manager,name:L.control.identity.name,versionLine:L.version?.line??null,version:L.version?.version??null,commit:L.version?.commit??null},chain:$.facts,cleanStop:J===void 0?null:{...J,evidence:[...J.evidence]},checks:[...R],verified:x,...F===void 0?{}:{proof:F},cut:{...(0,X.E)(k,I),at:$.at.toISOString(),downtimeSeconds:E},...G===void 0?{}:{archive:G.record},volumes:[...ee],profile:k.profile,excluded:[...k.exclude],...k.pin?{pinned:!0}:{}}}})};export{ye as id,$e as ids,be as modules};
