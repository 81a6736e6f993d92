var Te=Object.freeze,je=Object.defineProperty;var Ae=(we,_)=>Te(je(we,"raw",{value:Te(_||we.slice())}));var Ee;const De=724,Re=[724],Pe={68301:((we,_,m)=>{m.d(_,{$t:()=>U,T2:()=>D,Xm:()=>H});var P=m(35475);function U({url:T,s3Endpoint:K}){return{url:T,s3Endpoint:K}}function H({storage:T,key:K,hasSha256:Q}){const A=K.split("/").at(-1)??K;return{download:(Q?[K,`${K}.sha256`]:[K]).map(x=>$(T,x)),verify:[Q?`sha256sum -c ${c(`${A}.sha256`)}`:`zstd -t ${c(A)}`],unpack:[`tar --zstd -xf ${c(A)}`]}}function D(T,{id:K,network:Q,fromVolume:A}){const{s3Endpoint:x}=T;return["- uses: OWNER/chainstate-snapshot@v0","  with:",...[["command","restore"],["storage",T.url],...x===void 0?[]:[["s3-endpoint",x]],["snapshot",K],...A===!0?[["method","volume"]]:[],["chainstate-dir",`/var/stacks/${Q}`]].map(([S,Z])=>`    ${S}: ${ae(Z)}`)].join(`
`)}function $({url:T,s3Endpoint:K},Q){const A=`${T.replace(/\/+$/,"")}/${Q}`,x=/^([a-z0-9]+):\/\//.exec(A)?.[1];if(x==="s3")return`aws s3 cp${K===void 0?"":` --endpoint-url ${c(K)}`} ${c(A)} .`;if(x==="gs")return`gcloud storage cp ${c(A)} .`;if(x==="file")return`cp ${c(decodeURIComponent(new URL(A).pathname))} .`;if(x==="az"){const[V="",S="",...Z]=A.slice(5).split("/");return`az storage blob download ${[["--account-name",V],["--container-name",S],["--name",Z.join("/")],["--file",Z.at(-1)??""]].map(([oe="",F=""])=>`${oe} ${c(F)}`).join(" ")}`}return`curl --fail --location --retry 9 --continue-at - --remote-name ${c(A)}`}function c(T){return/^[A-Za-z0-9_@%+=:,./-]+$/.test(T)&&!T.startsWith("-")?T:(0,P.h)(T)}function ae(T){return/^[A-Za-z/][A-Za-z0-9_@%+=./-]*(?::[A-Za-z0-9_@%+=./-]+)*$/.test(T)?T:JSON.stringify(T)}}),9688:((we,_,m)=>{m.d(_,{Qj:()=>he,eN:()=>J,Bn:()=>$e,mk:()=>F,Lq:()=>me});var P=m(57975),U=m(77934),H=m(56046),D=m(37218),$=m(29063),c=m(68970),ae=m(31323),T=m(28990),K=m(47318),Q=m(19778);const A=40,x={firstPauseMs:50,longestPauseMs:2e3},V=1500;async function S(d,g,v,w,k){const E={attempts:A,...x,passes:b=>b instanceof Z&&b,signal:k,clock:w};try{await(0,K.L5)(E,async()=>{const b=await B(d,g,k),N=await v(b?.bytes);if(N!==void 0){if(!await oe(d,g,N,b,k))throw new Z(0);if(!d.capabilities.conditionalWrites)throw new Z(V*(.5+Math.random()))}})}catch(b){throw b instanceof Z?new H.lZ("CATALOG_BUSY",`${d.urlOf(g)} was changed by others each of ${A} times.`,{hint:"Run this again, and let fewer hosts publish to one prefix at the same moment."}):b}}class Z extends Error{afterMs;constructor(g){super("The object is not as it is to be."),this.afterMs=g}}async function B(d,g,v){try{const{bytes:w,info:k}=await d.get(g,{signal:v,atMostBytes:Q.VN});return{bytes:w,etag:k.etag}}catch(w){if((0,H.up)(w,"OBJECT_NOT_FOUND"))return;if(!(0,H.up)(w,"OBJECT_TOO_LARGE"))throw w;const k=await d.head(g,v);return k===void 0?void 0:{bytes:new Uint8Array,etag:k.etag}}}async function oe(d,g,v,w,k){const E=w===void 0?{ifAbsent:!0}:w.etag===void 0?{}:{ifMatch:w.etag};try{return await d.put(g,v,{...E,contentType:"application/json",signal:k}),!0}catch(b){if((0,H.up)(b,"PRECONDITION_FAILED"))return!1;throw b}}async function F(d,g,v,w=D.m,{onWritten:k,signer:E}={}){const b=await ie(d,g.id,v),{manifest:N,bytes:X}=(0,ae.H)({...g,...b===void 0?{}:{sequence:b},...E===void 0?{}:{signedBy:E.fingerprint}}),{id:ee}=N;if(await se(d,N,v),E!==void 0){const te={key:(0,c.cx)(ee),contentType:"text/plain"};await ue(d,te,await E.sign(X),v)}return await ue(d,{key:(0,c.Rn)(ee),contentType:"application/json"},X,v),k?.(N),await ye(d,(0,$.Ms)(N),w,v),await pe(d,(0,$.Ms)(N),w,v),await d.delete((0,c.Eo)(N.id),v).catch(()=>{}),N}async function J(d,g,v,w,k){const E=1+ce(await(0,T.Cb)(d,k));for(let b=0;b<60;b+=1){const N=new Date(v.getTime()+b*1e3),X=(0,c.iy)(g.network,g.stacksHeight,N),ee=Buffer.from(`${JSON.stringify({runId:w,at:v.toISOString(),sequence:E})}
`);try{if(await d.head((0,c.Rn)(X),k)!==void 0)continue;return await d.put((0,c.Eo)(X),ee,{ifAbsent:!0,contentType:"application/json",signal:k}),{id:X,at:N}}catch(te){if(!(0,H.up)(te,"PRECONDITION_FAILED"))throw te}}throw new H.lZ("SNAPSHOT_EXISTS",`Sixty snapshots of height ${g.stacksHeight} are being made in ${d.url}.`,{hint:"Give each host a prefix of its own."})}function ce(d){return d.reduce((g,{sequence:v=0})=>Math.max(g,v),0)}const fe=U._H3({sequence:U.FsL(U.aig(),U.Y2b(),U.Wwf(0))});async function ie(d,g,v){const w=await(0,Q.Zu)(d,(0,c.Eo)(g),v),k=U.xLC(fe,w===void 0?void 0:(0,Q.qF)(w));return k.success?k.output.sequence:void 0}async function me(d,g,v,w=!1){const k=new Map((await(0,T.ak)(d,v))?.map(G=>[G.id,G])),E=await(0,T.Az)(d,v,w?k:new Map),b=E.entries.map(G=>({...k.get(G.id),...G})),N=new Set(b.map(({id:G})=>G)),X=b.filter(G=>!(0,P.isDeepStrictEqual)(k.get(G.id),G)),ee=[...k.keys()].filter(G=>!N.has(G));(X.length>0||ee.length>0)&&await he(d,X,ee,g,v);const[te]=b.toSorted((0,$.nO)(g.now()));return te!==void 0&&await pe(d,te,g,v),{entries:b,refused:E.refused,repaired:[...X.map(({id:G})=>G),...ee]}}async function he(d,g,v,w,k){const E=new Set([...g.map(({id:b})=>b),...v]);await S(d,c.Vz,async b=>{const N=b===void 0?void 0:(0,$.uM)(b,d.urlOf(c.Vz))?.snapshots,ee=[...(N??(await(0,T.Az)(d,k)).entries).filter(({id:te})=>!E.has(te)),...g].sort($.Kd);if(!(0,P.isDeepStrictEqual)(N,ee))return(0,$.Jj)(ee,new Date(w.now()))},w,k)}async function se(d,g,v){const{archive:w,volumes:k}=g;for(const E of new Set((0,$.Ms)(g).volumes.flatMap(({requires:b=[]})=>b)))if(await d.head((0,c.Rn)(E),v)===void 0)throw new H.lZ("SNAPSHOT_INCOMPLETE",`${k[0]?.snapshot??g.id} is based on ${E}, which was removed meanwhile, so the snapshot is not published.`,{hint:"Run this again: it is then based on another one."});if(w!==void 0)for(const{key:E,size:b}of[w,w.index]){const N=await d.head(E,v);if(N?.size===b)continue;const X=N===void 0?"does not exist":`has ${N.size} bytes instead of ${b}`;throw new H.lZ("SNAPSHOT_INCOMPLETE",`${d.urlOf(E)} ${X}, so the snapshot is not published.`,{hint:"Something else writes to that prefix, or the store lost it. Run this again."})}}async function ue(d,{key:g,contentType:v},w,k){try{await d.put(g,w,{ifAbsent:!0,contentType:v,signal:k})}catch(E){if(!(0,H.up)(E,"PRECONDITION_FAILED"))throw E;const b=await(0,Q.Zu)(d,g,k);if(b!==void 0&&Buffer.compare(b,w)===0)return;throw new H.lZ("SNAPSHOT_EXISTS",`There is ${d.urlOf(g)} already; it is never overwritten.`,{cause:E,hint:"Another host published the same height in the same second. Run this again."})}}async function ye(d,g,v,w){await he(d,[g],[],v,w),await me(d,v,w,!0)}async function pe(d,g,v,w){const k=Buffer.from(`${JSON.stringify({id:g.id,manifest:(0,c.Rn)(g.id)})}
`);await S(d,c.p8,async E=>{const b=E===void 0?void 0:(0,T.Eg)(E);if(b===g.id)return;const N=b===void 0?void 0:await ge(d,b,w);return N!==void 0&&(0,$.nO)(v.now())((0,$.Ms)(N),g)<0?void 0:k},v,w)}async function $e(d,g,v,w){const k=await(0,Q.sM)(d,c.p8,w);if(k===void 0||(0,T.Eg)(k)!==g)return;const[E]=(await(0,T.Cb)(d,w)).toSorted((0,$.nO)(v.now()));E===void 0?await d.delete(c.p8,w):await pe(d,E,v,w)}async function ge(d,g,v){try{const w=await(0,T.eY)(d,g,v);return await d.head((0,c.Z7)(g),v)===void 0?w:void 0}catch(w){if(w instanceof H.lZ&&T.$m.has(w.code))return;throw w}}}),28724:((we,_,m)=>{m.r(_),m.d(_,{describeGoing:()=>Y,previewRetention:()=>be,prune:()=>u,tryApplyRetention:()=>h});var P=m(56046),U=m(77934),H=m(37218),D=m(29063),$=m(68970),c=m(66632),ae=m(9688),T=m(28990);async function K(e,{entries:n,refused:a},o){const i=new Set(o.delete);for(const f of new Set([...i,...o.unpin??[]])){if(n.some(p=>p.id===f))continue;const s=a.find(p=>p.id===f)?.error;if(s!==void 0)throw s;if(!(i.has(f)&&await e.head((0,$.Z7)(f),o.signal)!==void 0))throw(0,T.b$)(f,n,e.url)}}function Q({id:e,pinned:n},a,o){if(n)throw new P.lZ("SNAPSHOT_PINNED",`${e} is pinned and is not removed.`,{hint:`Set \`unpin: ${e}\` as well.`});const i=a.find(({volumes:f})=>f.some(({requires:s=[]})=>s.includes(e)));if(i!==void 0)throw A(e,i.id);if(o!==void 0)throw new P.lZ("VOLUME_ELSEWHERE",`${e} cannot be removed from here: ${o}.`)}function A(e,n){return new P.lZ("SNAPSHOT_NEEDED",`${n} is based on ${e}, which is not removed.`)}function x(e){return new P.lZ("SNAPSHOT_IN_USE",`${e} is being read by another run and is not removed.`)}async function V(e,n,a,o){if(n.length===0)return;const i=Buffer.from(`${JSON.stringify({at:new Date(a.now()).toISOString()})}
`);for(const{id:s}of n)await e.put((0,$.tX)(s),i,{contentType:"application/json",signal:o});const f=n.map(s=>({...s,pinned:!1}));await(0,ae.Qj)(e,f,[],a,o)}var S=m(2388);function Z(e,n,{now:a,announced:o=new Set,published:i}){const f=new Map(e.map(({id:y})=>[y,[]])),s=(y,j)=>{y!==void 0&&f.get(y)?.push(j)},p=oe(n);for(const y of ce(e)){const j=y.toSorted(D.Kd),C=B(j,a);if(p.length===0)for(const{id:z}of j)s(z,"no rule is set");for(const z of p)F(z,C,s);const R=y.toSorted((0,D.nO)(a));s(R[0]?.id,"newest"),s(J(R)?.id,"newest verified");const re=new Set(C.map(({id:z})=>z));for(const{id:z,pinned:q}of j)re.has(z)||s(z,"dated after now"),q&&s(z,"pinned"),z===i&&s(z,"published by this run"),o.has(z)&&s(z,"a restore reads it")}for(const{id:y,volumes:j=[]}of e.toSorted(D.Kd))if((f.get(y)??[]).length!==0)for(const C of new Set(j.flatMap(({requires:R=[]})=>R)))s(C,`${y} is based on it`);return e.toSorted(D.Kd).map(({id:y})=>{const j=f.get(y)??[];return j.length>0?{id:y,keep:!0,reasons:j}:{id:y,keep:!1,reasons:[`beyond ${p.map(({name:C,count:R})=>`keep-${C} ${R}`).join(", ")}`]}})}function B(e,n){const a=[];for(const o of e){const i=a.at(-1);(0,D.dS)(o,n)?o.sequence!==void 0&&i!==void 0&&a.push({id:o.id,at:i.at}):a.push({id:o.id,at:new Date((0,D.Fm)(o))})}return a}function oe(e){return[{name:"last",count:e.keepLast??0,valueOf:(a,o)=>String(o+1)},{name:"daily",count:e.keepDaily??0,valueOf:a=>a.toISOString().slice(0,10)},{name:"weekly",count:e.keepWeekly??0,valueOf:fe},{name:"monthly",count:e.keepMonthly??0,valueOf:a=>a.toISOString().slice(0,7)}].filter(({count:a})=>a>0)}function F(e,n,a){const o=new Set;for(const[i,{id:f,at:s}]of n.entries()){if(o.size===e.count)return;const p=e.valueOf(s,i),y=o.has(p);y&&i!==n.length-1||(a(f,y?`${e.name}, oldest`:`${e.name} ${p}`),o.add(p))}}function J(e){return e.find(({verified:n})=>n==="database")??e.find(({verified:n})=>n==="checksum")}function ce(e){return[...Map.groupBy(e,({network:n,profile:a})=>`${a} ${n}`).values()]}function fe(e){const a=(e.getUTCDay()+6)%7,o=new Date(Date.UTC(e.getUTCFullYear(),e.getUTCMonth(),e.getUTCDate()-a+3)),i=Date.UTC(o.getUTCFullYear(),0,1),f=Math.floor((o.getTime()-i)/864e5/7)+1;return`${o.getUTCFullYear()}-W${String(f).padStart(2,"0")}`}var ie=m(19778);const me=24*36e5;async function he(e,n){const{signal:a,dryRun:o}=n,i=n.clock??H.m,f=o?void 0:await X(e,i,a),s=f===void 0?i:ee(i,f),p=s.now(),y=[],j=o?await(0,T.Az)(e,a):await(0,ae.Lq)(e,s,a),{refused:C}=j;await K(e,j,n);const R=j.entries.filter(({id:de,pinned:Ce})=>Ce&&n.unpin?.includes(de)===!0),re=j.entries.map(de=>R.includes(de)?{...de,pinned:!1}:de),z=await ue(e,re,n,s);o||await V(e,R,s,a);const q=(0,D.AQ)(re,p);q!==void 0&&y.push(q),i.now()>p+D.QY&&y.push(`The clock of this host is ahead of the one of ${e.url}; the latter is gone by.`);const le=o?[]:z.filter(({keep:de})=>!de).map(({id:de})=>de),{removed:ze,failed:M}=await se(e,le,re,n,s),ve=new Set(M.map(({id:de})=>de)),ke=await k(e,s,n,ve),xe=[...ke.cleared,...await b(e,p,n)];return{decisions:z,entries:re,removed:ze,unpinned:R.map(({id:de})=>de),notices:y,leftovers:xe,refused:[...C,...M,...ke.failed]}}async function se(e,n,a,o,i){const f=[],s=[],p=new Map;for(const y of n){const j=p.get(y),C=o.delete?.includes(y)===!0;if(j!==void 0){C&&s.push({id:y,error:A(y,j)});continue}try{if(await d(e,y,o,i)){f.push(y);continue}C&&s.push({id:y,error:x(y)});for(const R of ye(a,y))p.set(R,y)}catch(R){if(!(0,P.up)(R,ge))throw R;s.push({id:y,error:R})}}return{removed:f,failed:s}}async function ue(e,n,a,o){const{expected:i}=a,f={now:o.now(),published:a.published??i?.id},s=n.filter(({id:M})=>a.delete?.includes(M)===!0),p=n.filter(M=>!s.includes(M)),y=i===void 0?p:[i,...p],j=Z(y,a.retention,f).filter(({keep:M})=>!M),C=new Set;for(const{id:M}of j)await(0,S.sd)(e,M,o,a.signal)&&C.add(M);const R=new Map(n.map(M=>[M.id,M])),z=Z(y,a.retention,{...f,announced:C}).filter(({id:M})=>R.has(M)).map(M=>{const ve=R.get(M.id);if(M.keep||ve===void 0)return M;const ke=pe(ve.volumes,ve.host,a);return ke===void 0?M:{...M,keep:!0,reasons:[ke]}}),q=new Set(z.filter(({keep:M})=>M).map(({id:M})=>M));for(const M of s)if(Q(M,p.filter(({id:ve})=>q.has(ve)),pe(M.volumes,M.host,a)),await(0,S.sd)(e,M.id,o,a.signal))throw x(M.id);const le=s.map(({id:M})=>({id:M,keep:!1,reasons:["named by `delete`"]})),ze=n.map(({id:M})=>M);return[...z,...le].toSorted((M,ve)=>ze.indexOf(M.id)-ze.indexOf(ve.id))}function ye(e,n){return(e.find(o=>o.id===n)?.volumes??[]).flatMap(({requires:o=[]})=>o)}function pe(e,n,a){if(e.length!==0){if(a.volumes===void 0)return"its volume snapshot cannot be removed from here";for(const{driver:o}of e){const i=a.volumes.reasonNotRemovable(o,n);if(i!==void 0)return i}}}const $e=U._H3({host:U.lqM(U.YjP(),""),volumes:U.YOg(c.gh)}),ge="VOLUME_STAYS";async function d(e,n,a,o){const{signal:i}=a,{volumes:f,host:s}=await(0,T.eY)(e,n,i),p=Buffer.from(`${JSON.stringify({host:s,volumes:f})}
`);return await e.put((0,$.Z7)(n),p,{contentType:"application/json",signal:i}),await(0,S.sd)(e,n,o,i)?(await e.delete((0,$.Z7)(n),i),!1):(await g(e,n,o,i),await v(e,n,a),!0)}async function g(e,n,a,o){await(0,ae.Qj)(e,[],[n],a,o),await(0,ae.Bn)(e,n,a,o)}async function v(e,n,a){const{signal:o}=a,{bytes:i}=await e.get((0,$.Z7)(n),{signal:o,atMostBytes:ie.zo});await e.delete((0,$.Rn)(n),o);const{volumes:f,host:s}=U.qgA($e,(0,ie.qF)(i)),p=pe(f,s,a)!==void 0;if(!p)for(const j of f)await w(n,j,a);const y=await G(e,`${(0,$.H1)(n)}/`,o);for(const j of y.filter(C=>C!==(0,$.Z7)(n)))await e.delete(j,o);p||await e.delete((0,$.Z7)(n),o)}async function w(e,n,{volumes:a,signal:o}){try{await a?.remove(n)}catch(i){throw o.aborted?i:new P.lZ(ge,`The volume snapshot ${n.snapshot} of ${e} could not be removed (${(0,P.Uc)(i)}).`,{cause:i,hint:"The next prune tries again."})}}async function k(e,n,a,o){const{signal:i,dryRun:f}=a,s=n.now(),p=[],y=new Map;for await(const C of e.list($.mT,i)){const R=C.key.split("/")[1]??"";y.set(R,[...y.get(R)??[],C])}const j=[];for(const[C,R]of y){const re=z=>R.some(q=>q.key===z);if(re((0,$.Z7)(C))){if(o.has(C))continue;try{f||await E(e,C,re((0,$.Rn)(C)),a,n),j.push(`${(0,$.H1)(C)}/`)}catch(z){if(!(0,P.up)(z,ge))throw z;p.push({id:C,error:z})}}else if(!re((0,$.Rn)(C))&&R.every(z=>te(z.modifiedAt,s))){if(!f)for(const{key:z}of R)await e.delete(z,i);j.push(`${(0,$.H1)(C)}/`)}else if(re((0,$.Rn)(C))&&!f){const z=R.filter(({key:q})=>q===(0,$.Eo)(C)||q.startsWith((0,$.db)(C)));for(const{key:q,modifiedAt:le}of z)te(le,s-me)&&await e.delete(q,i)}}return{cleared:j,failed:p}}async function E(e,n,a,o,i){a&&await(0,S.sd)(e,n,i,o.signal)||(await g(e,n,i,o.signal),await v(e,n,o))}async function b(e,n,a){const o=[];for await(const{token:i,startedAt:f}of e.listUploads($.mT,a.signal))te(f,n)&&(a.dryRun||await e.abortUpload(i,a.signal),o.push(i.key));return o}const N="time.json";async function X(e,n,a){const o=Buffer.from(`${JSON.stringify({at:new Date(n.now()).toISOString()})}
`);await e.put(N,o,{contentType:"application/json",signal:a});const i=await e.head(N,a);return await e.delete(N,a),i?.modifiedAt?.getTime()}function ee(e,n){const a=Math.max(0,e.now()-n);return{now:()=>e.now()-a,sleep:async(o,i)=>await e.sleep(o,i)}}function te(e,n){return e!==void 0&&n-e.getTime()>me}async function G(e,n,a){const o=[];for await(const{key:i}of e.list(n,a))o.push(i);return o}var Me=m(44702),Oe=m(99834),t=m(76633),r=m(23161),l=m(51699);async function u(e,n){const{dryRun:a,sudo:o,retention:i}=e,f={delete:e.delete,unpin:e.unpin};await(0,l.aH)(n,e,async s=>{const p=await O(n,s,i,{sudo:o,dryRun:a,...f}),j=a?"would be":p!==1?"were":"was";n.report.headline(`${a?"Dry run: ":""}${(0,Me.B4)(p,"snapshot")} ${j} removed from ${s.url}.`)})}async function h(e,n,a,o){if(Object.keys(a).length!==0)try{await O(e,n,a,o)}catch(i){(0,P.Te)(e.signal),e.report.warning(`The snapshot is published, but older ones could not all be removed, which the next run tries again: ${(0,P.Uc)(i)}`)}}async function O(e,n,a,{sudo:o,dryRun:i=!1,published:f,delete:s=[],unpin:p=[]}){const{report:y,signal:j,clock:C}=e;return await y.phase("retention",i?"Decide what stays":"Keep what retention says",async()=>{const R=Se(e,n,o),z=await he(n,{retention:a,dryRun:i,signal:j,clock:C,volumes:R,...{delete:s,unpin:p,published:f}});for(const le of p)y.fact(le,ne(z.unpinned.includes(le),i));const q=z.refused.find(({id:le})=>s.includes(le));if(L(e,{...z,refused:z.refused.filter(le=>le!==q)},i),i)return I(e,n,z);if(y.output("pruned",JSON.stringify(z.removed)),await(0,r.K)(e,n),q!==void 0)throw q.error;return z.removed.length})}function L({report:e},n,a){e.table("Retention",["snapshot","","why"],n.decisions.map(({id:o,keep:i,reasons:f})=>[o,i?"stays":"goes",f.join(", ")]));for(const o of n.leftovers)e.info(`Left by a dead run${a?"":", removed"}: ${o}`);for(const o of n.notices)e.warning(o);for(const{id:o,error:i}of n.refused)e.warning(`${o} is left alone: ${i.message}`)}function I(e,n,a){const o=W(a),{unpinned:i,leftovers:f}=a,s=[["Would remove",Y(o)],["Left by dead runs",f.length===0?"nothing":f.join(", ")]];return(0,t.N)(e,s,{command:"prune",storage:n.url,removes:o.ids,removesBytes:o.bytes,unpins:i,keeps:a.decisions.filter(({keep:p})=>p).map(({id:p,reasons:y})=>({id:p,reasons:y})),leftovers:f}),o.ids.length}function W({decisions:e,entries:n}){const a=e.filter(({keep:i})=>!i).map(({id:i})=>i),o=new Map(n.map(({id:i,archive:f})=>[i,f?.size??0]));return{ids:a,bytes:a.reduce((i,f)=>i+(o.get(f)??0),0)}}async function be(e,n,{retention:a,sudo:o},i){const{signal:f,clock:s}=e;if(Object.keys(a).length===0)return{ids:[],bytes:0};try{const p=Se(e,n,o);return W(await he(n,{retention:a,dryRun:!0,signal:f,clock:s,volumes:p,expected:i}))}catch(p){(0,P.Te)(f),e.report.notice(`What retention would remove cannot be found out: ${(0,P.Uc)(p)}`);return}}function Y(e){return e===void 0?"not known":e.ids.length===0?"nothing":`${e.ids.join(", ")} (${(0,Oe.z3)(e.bytes)})`}function ne(e,n){return e?n?"would no longer be pinned":"is no longer pinned":"was not pinned"}function Se(e,n,a){const{host:o,signal:i,volumes:f}=e;return{reasonNotRemovable:(s,p)=>f.isLocal(s)&&p!==o.hostName?`its ${s} snapshot is on ${p}: prune there`:void 0,async remove(s){const p={privilege:e.privilege(a),store:n};await f.snapshotter(s.driver,[],p).delete(s,i)}}}}),23161:((we,_,m)=>{m.d(_,{m:()=>G,K:()=>Oe});var P=m(68301),U=m(68970),H=m(77598),D=m(99834);class ${text;constructor(r){this.text=r}}function c(t,...r){const l=t.map((u,h)=>`${u}${ae(r[h])}`);return new $(l.join(""))}function ae(t){return t===void 0?"":t instanceof $?t.text:typeof t=="object"?t.map(ae).join(""):T(String(t))}function T(t){return t.toWellFormed().replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g,"\uFFFD").replaceAll("&","&amp;").replaceAll("<","&lt;").replaceAll(">","&gt;").replaceAll('"',"&quot;").replaceAll("'","&#39;")}const K=`
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
`,Q=`
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
`,A=1e3,x=100,V=864e5;function S(t,r){const l=[...r].sort((Y,ne)=>Y.at-ne.at),u=l[0],h=l.at(-1);if(u===void 0||h===void 0||u.at===h.at)return;const O=l.map(({at:Y,height:ne})=>({at:Y,value:ne})),L=l.flatMap(({at:Y,sizeBytes:ne})=>ne===void 0?[]:[{at:Y,value:ne}]),I={from:u.at,to:h.at},W=h.at-u.at>=4*V?4:1,be=Array.from({length:W+1},(Y,ne)=>F(I.from+(I.to-I.from)*ne/W));return c`<figure class="chart" aria-label="${t} from ${F(u.at)} to ${F(h.at)}">
${Z("Stacks height",O,I,{format:oe,unit:1,fromZero:!1})}
${L.length<2?void 0:Z("Size of the archive",L,I,{format:D.z3,unit:1024,fromZero:!0})}
<div class="axis" aria-hidden="true">${be.map(Y=>c`<span>${Y}</span>`)}</div>
</figure>`}function Z(t,r,l,u){const h=r.map(({value:s})=>s),O=h.reduce((s,p)=>Math.max(s,p),-1/0),L=h.reduce((s,p)=>Math.min(s,p),1/0),I=B(u.fromZero?0:L,O,u.unit),[W=0]=I,be=(I.at(-1)??1)-W,Y=({at:s})=>((s-l.from)/(l.to-l.from)*A).toFixed(1),ne=s=>`${Y(s)} ${(x-(s.value-W)/be*x).toFixed(1)}`,Se=r.map(ne).join("L"),[e={at:l.from,value:0}]=r,n=r.at(-1)??e,a=r.length>60?"":r.map(s=>`M${ne(s)}h0`).join(""),o=I.map((s,p)=>`M0 ${p/(I.length-1)*x}H${A}`).join(""),i=u.fromZero?`M${Se}V${x}H${Y(e)}Z`:"",f=`${t}: from ${u.format(e.value)} to ${u.format(n.value)}, at most ${u.format(O)}`;return c`<div class="plot">
<p class="title">${t}</p>
<div class="scale" aria-hidden="true">${I.toReversed().map(s=>c`<span>${u.format(s)}</span>`)}</div>
<svg viewBox="0 0 ${A} ${x}" preserveAspectRatio="none" role="img" aria-label="${f}"><path class="grid" d="${o}"></path><path class="area" d="${i}"></path><path class="line" d="M${Se}"></path><path class="dots" d="${a}"></path></svg>
</div>`}function B(t,r,l){const u=r-t||Math.max(1,r),h=l>1?l**Math.floor(Math.log(Math.max(u,1))/Math.log(l)):1,O=u/h/4,L=10**Math.floor(Math.log10(O)),I=h*L*([1,2,2.5,5,10].find(ne=>ne*L>=O)??10),W=Math.max(1,Math.ceil(I)),Y=[Math.floor(t/W)*W];for(;(Y.at(-1)??0)<r||Y.length<2;)Y.push((Y.at(-1)??0)+W);return Y}function oe(t){return Math.round(t).toLocaleString("en")}function F(t){return new Date(t).toISOString().slice(0,10)}const J={files:"database files whole",A:"state has a tip",B:"header index at the state's tip",C:"highest header on its chain",D:"block store at the tip",E:"sortitions know the tip",F:"tries reach the tip",G:"burn headers reach the tip",H:"burn chain reaches the tip",integrity:"SQLite integrity",blobs:"every trie record"};function ce(t,r,l){const{archive:u,id:h,network:O}=t,L=[h,O,t.stacksHeight,t.nodeVersion??"",t.createdAt,t.profile];return c`
<li data-words="${L.join(" ").toLowerCase()}"><details${new $(l?" open":"")}>
<summary class="row"><span class="cell when">${pe(t.createdAt)}</span> <span class="cell chain">${O} <b>${d(t.stacksHeight)}</b></span> <span class="cell size">${fe(t)}</span> <span class="cell node">${t.nodeVersion??""}</span> <span class="cell verdict">${ie(t)}${t.pinned?c` <span class="pin">pinned</span>`:void 0}</span></summary>
<div class="more">
<p class="id">${h}</p>
<dl class="facts">${ue(t).map(([I,W])=>c`<div><dt>${I}</dt><dd>${W}</dd></div>`)}</dl>
${me(t.checks)}
${u===null?void 0:he(u,r)}
${u===null?void 0:se("Or restore with the action",(0,P.T2)(r,{id:h,network:O}))}
${t.volumes.length===0?void 0:se("Restore from the volume snapshot",(0,P.T2)(r,{id:h,network:O,fromVolume:!0}),"Where the volume and its snapshot are; nothing is downloaded.")}
<p class="links">${u===null?void 0:c`<a href="${ge(u.key)}">Archive</a> · `}<a href="${ge(t.manifest)}">Manifest<span class="unseen"> of ${h}</span></a>${t.signedBy===void 0?void 0:c` · <a href="${ge(`${t.manifest}.sig`)}">Signature<span class="unseen"> of ${h}</span></a>`}</p>
</div>
</details></li>`}function fe({archive:t,volumes:r}){if(t===null)return c`volume <span class="more-of">${r.map(({driver:u})=>u).join(", ")}</span>`;const l=t.reusedBytes===0?"sent whole":`${(0,D.z3)(t.uploadedBytes)} sent`;return c`${(0,D.z3)(t.size)} <span class="more-of">${l}${r.length===0?"":" + volume"}</span>`}function ie({checks:t,verified:r}){const l=t.filter(({result:O})=>O==="failed").map(({id:O})=>O);if(l.length>0)return c`<span class="bad">✗ failed: ${l.join(", ")}</span>`;const u=t.filter(({result:O})=>O==="passed").length,h={none:"not read back",checksum:"read back",database:"read back, databases too"}[r];return u===0?c`<span class="soft">not checked</span> <span class="more-of">${h}</span>`:c`<span class="good">✓ ${u===1?"1 check":`${u} checks`} passed</span> <span class="more-of">${h}</span>`}function me(t){if(t.length===0)return;const r=new Map([["passed",["good","\u2713","passed"]],["failed",["bad","\u2717","failed"]]]),l=t.map(({id:u,result:h})=>{const[O,L,I]=r.get(h)??["soft","\u2013","not made"],W=Object.hasOwn(J,u)?J[u]:u;return c`<li><span class="${O}" aria-hidden="true">${L}</span> <span class="unseen">${I}: </span>${W}</li>`});return c`<h3>Checks of the chainstate</h3>
<ul class="checks">${l}</ul>`}function he({key:t,sha256:r},l){const{download:u,verify:h,unpack:O}=(0,P.Xm)({storage:l,key:t,hasSha256:r!==null}),L=(r===null?[t]:[t,`${t}.sha256`]).map(ge),I=r===null?"Parts of it were copied on the store, so there is no digest of the whole; each part has a checksum of its own.":void 0;return c`${se("1. Download with plain tools",u.join(`
`),void 0,L.join(" "))}
${se("2. Verify",h.join(`
`),I)}
${se("3. Unpack here",O.join(`
`))}`}function se(t,r,l,u){const h=u===void 0?void 0:c` data-keys="${u}"`;return c`<h3>${t}</h3>
${l===void 0?void 0:c`<p class="note">${l}</p>`}<div class="code" data-title="${t}"><pre${h}>${r}</pre></div>`}function ue(t){const{archive:r,cut:l}=t;return[["Network",t.network],["Stacks height",d(t.stacksHeight)],["Bitcoin height",t.burnHeight===null?"not known":d(t.burnHeight)],["Node version",t.nodeVersion??"not known"],["Archive",r===null?void 0:c`${(0,D.z3)(r.size)} <span class="more-of">${d(r.size)} bytes</span>`],["Unpacked",r===null?void 0:(0,D.z3)(r.tarSize)],["Reused from the one before",r===null?void 0:ye(r)],["In WALs of databases",r?.carriedWalBytes===void 0?void 0:(0,D.z3)(r.carriedWalBytes)],["Volume snapshots",t.volumes.map(({driver:h,snapshot:O})=>`${h}: ${O}`).join("; ")],["Node was down for",l.method==="live"?"never (live)":`${l.downtimeSeconds.toFixed(1)} s (${l.method})`],["Read back",{none:"no",checksum:"every digest",database:"every digest and the databases"}[t.verified]],["Profile",t.profile],["Pruned chainstate",t.pruned?"yes":void 0],["Pinned",t.pinned?"yes, retention keeps it":void 0],["SHA-256 of the archive",r?.sha256??void 0],["Signed with",t.signedBy]].filter(h=>h[1]!==void 0&&h[1]!=="")}function ye({size:t,uploadedBytes:r,reusedBytes:l}){const u=t===0?0:Math.floor(l/t*1e3)/10;return l===0?"nothing":`${u} %, ${(0,D.z3)(r)} sent`}function pe(t){const r=new Date(t),l=Number.isNaN(r.getTime())?t:r.toISOString().slice(0,16).replace("T"," ");return c`<time datetime="${t}" data-age>${l}</time>`}function $e({createdAt:t}){return Date.parse(t)||0}function ge(t){return`./${encodeURI(t.toWellFormed())}`}function d(t){return t.toLocaleString("en")}const g=6;function v({storage:t,entries:r}){const l=[...r].sort((h,O)=>$e(O)-$e(h));return c(Ee||(Ee=Ae([`<!doctype html>
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
`])),b(K),b(Q),new $(K),t.url,l.length===0?w():k(l,t),new $(Q)).text}function w(){return c`<section class="card nothing">
<h2>There is no snapshot here yet</h2>
<p>The first run of the action with <code>command: snapshot</code> and this storage publishes one, and writes this page anew. So does every later run.</p>
</section>`}function k(t,r){const l=[...new Set(t.map(({network:h})=>h))],u=l.length>g?[]:l;return c`${u.map(h=>E(h,t.filter(O=>O.network===h)))}
<section aria-labelledby="all">
<h2 id="all">${t.length===1?"The snapshot":`All ${d(t.length)} snapshots, newest first`}</h2>
<div class="list">
<div class="row columns" aria-hidden="true"><span></span><span>Taken (UTC)</span><span>Chain</span><span>Archive</span><span>Node</span><span>Checks</span></div>
<ol class="entries">${t.map((h,O)=>ce(h,r,O===0))}</ol>
</div>
</section>`}function E(t,r){const[l]=r;if(l===void 0)return c``;const{archive:u}=l,h=r.filter(L=>$e(L)>0).map(L=>({at:$e(L),height:L.stacksHeight,sizeBytes:L.archive?.size})),O=[["Stacks height",c`${d(l.stacksHeight)}`,l.burnHeight===null?void 0:`Bitcoin height ${d(l.burnHeight)}`],["Taken (UTC)",pe(l.createdAt),void 0],[u===null?"Kept as":"Archive",c`${u===null?"volume snapshot":(0,D.z3)(u.size)}`,u===null?l.volumes.map(({driver:L})=>L).join(", "):`${(0,D.z3)(u.tarSize)} unpacked`],["Checks",ie(l),void 0]];return c`<section class="card">
<h2>${t}, newest of ${r.length===1?"1 snapshot":`${d(r.length)} snapshots`}</h2>
<dl class="figures">${O.map(([L,I,W])=>c`<div><dt>${L}</dt><dd>${I}${W===void 0?void 0:c` <span class="more-of">${W}</span>`}</dd></div>`)}</dl>
${S(t,h)}
</section>`}function b(t){return`sha256-${(0,H.createHash)("sha256").update(t).digest("base64")}`}var N=m(9688),X=m(28990),ee=m(44231),te=m(41155);async function G(t,r,l,u){const{report:h,signal:O,clock:L}=t;await h.phase("publish","Publish",async()=>{let I;try{const W=be=>{I=be};await(0,N.mk)(r,l,O,L,{onWritten:W,signer:u})}catch(W){throw await Me(t,r,l,I),W}await(0,te.t)(t,r,I??l),await Oe(t,r)})}async function Me(t,r,l,u){const{id:h}=l;await(0,ee.z)(t.report,`find out whether ${h} was published`,async O=>{u===void 0&&await r.head((0,U.Rn)(h),O)===void 0||(await(0,te.t)(t,r,u??l),t.report.warning(`${h} is in ${r.url} and can be restored; the catalogue may not list it before the next snapshot or prune.`))})}async function Oe({report:t},r){const l={warning:u=>t.notice(u)};await(0,ee.z)(l,"write the page of all snapshots, index.html",async u=>{const h=await(0,X.Cb)(r,u),O=v({storage:(0,P.$t)(r),entries:h});await r.put("index.html",Buffer.from(O),{contentType:"text/html; charset=utf-8",signal:u})})}}),76633:((we,_,m)=>{m.d(_,{N:()=>P});function P({report:U},H,D){U.table("Plan",["what","plan"],H),U.output("plan",JSON.stringify(D))}}),9357:((we,_,m)=>{m.d(_,{E:()=>P});function P(U,{archive:H,volume:D}){const $=H?.chosen?.freezer.name,c=$??D?.snapshotter.driver??"cold";return U.cut==="live"?{method:"live",freezer:c}:{method:$==="cold"||$===void 0&&(U.cut==="cold"||D?.isSlow===!0)?"cold":"frozen",freezer:c}}}),41155:((we,_,m)=>{m.d(_,{$:()=>Q,t:()=>T});var P=m(77598),U=m(51455),H=m(76760),D=m(68301),$=m(66632),c=m(99834),ae=m(9357);async function T(A,x,V){const{report:S,host:Z}=A,{archive:B,chain:oe,cut:F,id:J,volumes:ce}=V,fe=(0,H.join)(Z.tempDir,`${J}.manifest.json`),ie=`${JSON.stringify(V,void 0,2)}
`;await(0,U.writeFile)(fe,ie),S.output("snapshot-id",J),S.output("manifest-url",x.urlOf(`snapshots/${J}/manifest.json`)),S.output("manifest-path",fe),V.digest!==void 0&&S.output("manifest-digest",(0,P.createHash)("sha256").update(ie).digest("hex")),S.output("downtime-seconds",String(F.downtimeSeconds)),S.fact("Snapshot",J),V.signedBy!==void 0&&S.fact("Signed with",V.signedBy);const me=F.freezer===$.SW;if(me||S.fact("Cut",`${F.method}, frozen by ${F.freezer}, at ${F.at}`),B!==void 0){const se=x.urlOf(B.key);S.output("archive-url",se),S.output("size-bytes",String(B.size)),S.output("uploaded-bytes",String(B.uploadedBytes)),S.fact("Archive",`${B.files} files, ${(0,c.z3)(B.tarSize)} in ${(0,c.z3)(B.size)}`);const ue=B.reused?.frames??0,ye=(0,c.pR)(B.reused?.bytes??0,B.size);S.output("reused-frames",String(ue)),S.output("reused-percent",ye),B.reused!==void 0&&S.fact("Reused",`${ue} of ${B.frames} frames, ${ye} % of the bytes, from ${B.reused.from}`),K(A,B),S.link("Archive",se),S.commands("Restore it by hand",Object.values((0,D.Xm)({storage:(0,D.$t)(x),key:B.key,hasSha256:B.sha256!==void 0})).flat())}ce.length>0&&(S.output("volume-snapshots",JSON.stringify(ce)),S.fact("Volume snapshot",ce.map(({driver:se,snapshot:ue})=>`${se} ${ue}`).join(", ")));const he=me?"no node was touched":`downtime ${F.downtimeSeconds} s`;S.headline(`Snapshot ${J} at Stacks height ${oe.stacksHeight} is published; ${he}.`)}function K({report:A},{databases:x=[],uploadedBytes:V}){A.fact("Sent",(0,c.z3)(V));const S=x.filter(F=>F.carried!==void 0);if(x.length===0)return;const Z=x.length-S.length;if(S.length===0){A.fact("Databases",`${Z} archived whole; the next snapshot can send what changes in them`);return}const B=S.reduce((F,J)=>F+(J.carried?.changedPages??0),0),oe=(0,c.z3)((0,$.IQ)(x));A.fact("Databases",`${B} changed pages of ${S.length} sent, ${Z} archived whole; their WALs have ${oe}`)}function Q({config:A,ctx:x},V,S,{checks:Z,verified:B,proof:oe,downtimeSeconds:F}){const{node:J}=V,{archive:ce,volumes:fe,cleanStop:ie}=S;return{version:1,id:S.id,createdAt:new Date(x.clock.now()).toISOString(),kind:A.method,tool:x.host.tool,host:x.host.hostName,node:{manager:J.control.identity.manager,name:J.control.identity.name,versionLine:J.version?.line??null,version:J.version?.version??null,commit:J.version?.commit??null},chain:S.facts,cleanStop:ie===void 0?null:{...ie,evidence:[...ie.evidence]},checks:[...Z],verified:B,...oe===void 0?{}:{proof:oe},cut:{...(0,ae.E)(A,V),at:S.at.toISOString(),downtimeSeconds:F},...ce===void 0?{}:{archive:ce.record},volumes:[...fe],profile:A.profile,excluded:[...A.exclude],...A.pin?{pinned:!0}:{}}}})};export{De as id,Re as ids,Pe as modules};
