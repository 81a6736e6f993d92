var Te=Object.freeze,Ce=Object.defineProperty;var Ae=(he,ee)=>Te(Ce(he,"raw",{value:Te(ee||he.slice())}));var Ee;const je=1,De=[1],Pe={68301:((he,ee,g)=>{g.d(ee,{$t:()=>Z,T2:()=>T,Xm:()=>N});var j=g(35475);function Z({url:x,s3Endpoint:H}){return{url:x,s3Endpoint:H}}function N({storage:x,key:H,hasSha256:F}){const U=H.split("/").at(-1)??H;return{download:(F?[H,`${H}.sha256`]:[H]).map(A=>R(x,A)),verify:[F?`sha256sum -c ${r(`${U}.sha256`)}`:`zstd -t ${r(U)}`],unpack:[`tar --zstd -xf ${r(U)}`]}}function T(x,{id:H,network:F,fromVolume:U}){const{s3Endpoint:A}=x;return["- uses: OWNER/chainstate-snapshot@v0","  with:",...[["command","restore"],["storage",x.url],...A===void 0?[]:[["s3-endpoint",A]],["snapshot",H],...U===!0?[["method","volume"]]:[],["chainstate-dir",`/var/stacks/${F}`]].map(([M,b])=>`    ${M}: ${de(b)}`)].join(`
`)}function R({url:x,s3Endpoint:H},F){const U=`${x.replace(/\/+$/,"")}/${F}`,A=/^([a-z0-9]+):\/\//.exec(U)?.[1];if(A==="s3")return`aws s3 cp${H===void 0?"":` --endpoint-url ${r(H)}`} ${r(U)} .`;if(A==="gs")return`gcloud storage cp ${r(U)} .`;if(A==="file")return`cp ${r(decodeURIComponent(new URL(U).pathname))} .`;if(A==="az"){const[L="",M="",...b]=U.slice(5).split("/");return`az storage blob download ${[["--account-name",L],["--container-name",M],["--name",b.join("/")],["--file",b.at(-1)??""]].map(([G="",K=""])=>`${G} ${r(K)}`).join(" ")}`}return`curl --fail --location --retry 9 --continue-at - --remote-name ${r(U)}`}function r(x){return/^[A-Za-z0-9_@%+=:,./-]+$/.test(x)&&!x.startsWith("-")?x:(0,j.h)(x)}function de(x){return/^[A-Za-z/][A-Za-z0-9_@%+=./-]*(?::[A-Za-z0-9_@%+=./-]+)*$/.test(x)?x:JSON.stringify(x)}}),9688:((he,ee,g)=>{g.d(ee,{Qj:()=>se,eN:()=>Y,Bn:()=>ye,mk:()=>K,Lq:()=>ce});var j=g(57975),Z=g(77934),N=g(56046),T=g(37218),R=g(29063),r=g(68970),de=g(31323),x=g(28990),H=g(47318),F=g(19778);const U=40,A={firstPauseMs:50,longestPauseMs:2e3},L=1500;async function M(c,v,$,w,O){const E={attempts:U,...A,passes:S=>S instanceof b&&S,signal:O,clock:w};try{await(0,H.L5)(E,async()=>{const S=await te(c,v,O),D=await $(S?.bytes);if(D!==void 0){if(!await G(c,v,D,S,O))throw new b(0);if(!c.capabilities.conditionalWrites)throw new b(L*(.5+Math.random()))}})}catch(S){throw S instanceof b?new N.lZ("CATALOG_BUSY",`${c.urlOf(v)} was changed by others each of ${U} times.`,{hint:"Run this again, and let fewer hosts publish to one prefix at the same moment."}):S}}class b extends Error{afterMs;constructor(v){super("The object is not as it is to be."),this.afterMs=v}}async function te(c,v,$){try{const{bytes:w,info:O}=await c.get(v,{signal:$,atMostBytes:F.VN});return{bytes:w,etag:O.etag}}catch(w){if((0,N.up)(w,"OBJECT_NOT_FOUND"))return;if(!(0,N.up)(w,"OBJECT_TOO_LARGE"))throw w;const O=await c.head(v,$);return O===void 0?void 0:{bytes:new Uint8Array,etag:O.etag}}}async function G(c,v,$,w,O){const E=w===void 0?{ifAbsent:!0}:w.etag===void 0?{}:{ifMatch:w.etag};try{return await c.put(v,$,{...E,contentType:"application/json",signal:O}),!0}catch(S){if((0,N.up)(S,"PRECONDITION_FAILED"))return!1;throw S}}async function K(c,v,$,w=T.m,{onWritten:O,signer:E}={}){const S=await ue(c,v.id,$),{manifest:D,bytes:X}=(0,de.H)({...v,...S===void 0?{}:{sequence:S},...E===void 0?{}:{signedBy:E.fingerprint}}),{id:ne}=D;if(await fe(c,D,$),E!==void 0){const re={key:(0,r.cx)(ne),contentType:"text/plain"};await ve(c,re,await E.sign(X),$)}return await ve(c,{key:(0,r.Rn)(ne),contentType:"application/json"},X,$),O?.(D),await be(c,(0,R.Ms)(D),w,$),await pe(c,(0,R.Ms)(D),w,$),await c.delete((0,r.Eo)(D.id),$).catch(()=>{}),D}async function Y(c,v,$,w,O){const E=1+oe(await(0,x.Cb)(c,O));for(let S=0;S<60;S+=1){const D=new Date($.getTime()+S*1e3),X=(0,r.iy)(v.network,v.stacksHeight,D),ne=Buffer.from(`${JSON.stringify({runId:w,at:$.toISOString(),sequence:E})}
`);try{if(await c.head((0,r.Rn)(X),O)!==void 0)continue;return await c.put((0,r.Eo)(X),ne,{ifAbsent:!0,contentType:"application/json",signal:O}),{id:X,at:D}}catch(re){if(!(0,N.up)(re,"PRECONDITION_FAILED"))throw re}}throw new N.lZ("SNAPSHOT_EXISTS",`Sixty snapshots of height ${v.stacksHeight} are being made in ${c.url}.`,{hint:"Give each host a prefix of its own."})}function oe(c){return c.reduce((v,{sequence:$=0})=>Math.max(v,$),0)}const ae=Z._H3({sequence:Z.FsL(Z.aig(),Z.Y2b(),Z.Wwf(0))});async function ue(c,v,$){const w=await(0,F.Zu)(c,(0,r.Eo)(v),$),O=Z.xLC(ae,w===void 0?void 0:(0,F.qF)(w));return O.success?O.output.sequence:void 0}async function ce(c,v,$,w=!1){const O=new Map((await(0,x.ak)(c,$))?.map(Q=>[Q.id,Q])),E=await(0,x.Az)(c,$,w?O:new Map),S=E.entries.map(Q=>({...O.get(Q.id),...Q})),D=new Set(S.map(({id:Q})=>Q)),X=S.filter(Q=>!(0,j.isDeepStrictEqual)(O.get(Q.id),Q)),ne=[...O.keys()].filter(Q=>!D.has(Q));(X.length>0||ne.length>0)&&await se(c,X,ne,v,$);const[re]=S.toSorted((0,R.nO)(v.now()));return re!==void 0&&await pe(c,re,v,$),{...E,entries:S,repaired:[...X.map(({id:Q})=>Q),...ne]}}async function se(c,v,$,w,O){const E=new Set([...v.map(({id:S})=>S),...$]);await M(c,r.Vz,async S=>{const D=S===void 0?void 0:(0,R.uM)(S,c.urlOf(r.Vz))?.snapshots,ne=[...(D??(await(0,x.Az)(c,O)).entries).filter(({id:re})=>!E.has(re)),...v].sort(R.Kd);if(!(0,j.isDeepStrictEqual)(D,ne))return(0,R.Jj)(ne,new Date(w.now()))},w,O)}async function fe(c,v,$){const{archive:w,volumes:O}=v;for(const E of new Set((0,R.Ms)(v).volumes.flatMap(({requires:S=[]})=>S)))if(await c.head((0,r.Rn)(E),$)===void 0)throw new N.lZ("SNAPSHOT_INCOMPLETE",`${O[0]?.snapshot??v.id} is based on ${E}, which was removed meanwhile, so the snapshot is not published.`,{hint:"Run this again: it is then based on another one."});if(w!==void 0)for(const{key:E,size:S}of[w,w.index]){const D=await c.head(E,$);if(D?.size===S)continue;const X=D===void 0?"does not exist":`has ${D.size} bytes instead of ${S}`;throw new N.lZ("SNAPSHOT_INCOMPLETE",`${c.urlOf(E)} ${X}, so the snapshot is not published.`,{hint:"Something else writes to that prefix, or the store lost it. Run this again."})}}async function ve(c,{key:v,contentType:$},w,O){try{await c.put(v,w,{ifAbsent:!0,contentType:$,signal:O})}catch(E){if(!(0,N.up)(E,"PRECONDITION_FAILED"))throw E;const S=await(0,F.Zu)(c,v,O);if(S!==void 0&&Buffer.compare(S,w)===0)return;throw new N.lZ("SNAPSHOT_EXISTS",`There is ${c.urlOf(v)} already; it is never overwritten.`,{cause:E,hint:"Another host published the same height in the same second. Run this again."})}}async function be(c,v,$,w){await se(c,[v],[],$,w),await ce(c,$,w,!0)}async function pe(c,v,$,w){const O=Buffer.from(`${JSON.stringify({id:v.id,manifest:(0,r.Rn)(v.id)})}
`);await M(c,r.p8,async E=>{const S=E===void 0?void 0:(0,x.Eg)(E);if(S===v.id)return;const D=S===void 0?void 0:await ge(c,S,w);return D!==void 0&&(0,R.nO)($.now())((0,R.Ms)(D),v)<0?void 0:O},$,w)}async function ye(c,v,$,w){const O=await(0,F.sM)(c,r.p8,w);if(O===void 0||(0,x.Eg)(O)!==v)return;const[E]=(await(0,x.Cb)(c,w)).toSorted((0,R.nO)($.now()));E===void 0?await c.delete(r.p8,w):await pe(c,E,$,w)}async function ge(c,v,$){try{const w=await(0,x.eY)(c,v,$);return await c.head((0,r.Z7)(v),$)===void 0?w:void 0}catch(w){if(w instanceof N.lZ&&x.$m.has(w.code))return;throw w}}}),96001:((he,ee,g)=>{g.r(ee),g.d(ee,{describeGoing:()=>I,previewRetention:()=>B,prune:()=>n,tryApplyRetention:()=>s});var j=g(56046),Z=g(37218),N=g(29063),T=g(68970),R=g(42202),r=g(9688),de=g(28990);async function x(e,{entries:t,going:o,refused:a},i){const u=new Set(i.delete);for(const m of new Set([...u,...i.unpin??[]])){if([...t,...o].some(y=>y.id===m))continue;const h=a.find(y=>y.id===m)?.error;if(h!==void 0)throw h;if(!(u.has(m)&&await e.head((0,T.Z7)(m),i.signal)!==void 0))throw(0,de.b$)(m,t,e.url)}}function H({id:e,pinned:t},o,a){if(t)throw new j.lZ("SNAPSHOT_PINNED",`${e} is pinned and is not removed.`,{hint:`Set \`unpin: ${e}\` as well.`});const i=o.find(({volumes:u})=>u.some(({requires:m=[]})=>m.includes(e)));if(i!==void 0)throw F(e,i.id);if(a!==void 0)throw new j.lZ("VOLUME_ELSEWHERE",`${e} cannot be removed from here: ${a}.`)}function F(e,t){return new j.lZ("SNAPSHOT_NEEDED",`${t} is based on ${e}, which is not removed.`)}function U(e){return new j.lZ("SNAPSHOT_IN_USE",`${e} is being read by another run and is not removed.`)}async function A(e,t,o){if(t.length===0)return;for(const{id:i}of t)await(0,R.Z)(e,"unpinned",i,o);const a=t.map(i=>({...i,pinned:!1}));await(0,r.Qj)(e,a,[],o.clock,o.signal)}var L=g(2388);function M(e,t,{now:o,announced:a=new Set,published:i}){const u=new Map(e.map(({id:y})=>[y,[]])),m=(y,d)=>{y!==void 0&&u.get(y)?.push(d)},h=te(t);for(const y of Y(e)){const d=y.toSorted(N.Kd),C=b(d,o);if(h.length===0)for(const{id:J}of d)m(J,"no rule is set");for(const J of h)G(J,C,m);const P=y.toSorted((0,N.nO)(o));m(P[0]?.id,"newest"),m(K(P)?.id,"newest verified");const V=new Set(C.map(({id:J})=>J));for(const{id:J,pinned:ie}of d)V.has(J)||m(J,"dated after now"),ie&&m(J,"pinned"),J===i&&m(J,"published by this run"),a.has(J)&&m(J,"a restore reads it")}for(const{id:y,volumes:d=[]}of e.toSorted(N.Kd))if((u.get(y)??[]).length!==0)for(const C of new Set(d.flatMap(({requires:P=[]})=>P)))m(C,`${y} is based on it`);return e.toSorted(N.Kd).map(({id:y})=>{const d=u.get(y)??[];return d.length>0?{id:y,keep:!0,reasons:d}:{id:y,keep:!1,reasons:[`beyond ${h.map(({name:C,count:P})=>`keep-${C} ${P}`).join(", ")}`]}})}function b(e,t){const o=[];for(const a of e){const i=o.at(-1);(0,N.dS)(a,t)?a.sequence!==void 0&&i!==void 0&&o.push({id:a.id,at:i.at}):o.push({id:a.id,at:new Date((0,N.Fm)(a))})}return o}function te(e){return[{name:"last",count:e.keepLast??0,valueOf:(o,a)=>String(a+1)},{name:"daily",count:e.keepDaily??0,valueOf:o=>o.toISOString().slice(0,10)},{name:"weekly",count:e.keepWeekly??0,valueOf:oe},{name:"monthly",count:e.keepMonthly??0,valueOf:o=>o.toISOString().slice(0,7)}].filter(({count:o})=>o>0)}function G(e,t,o){const a=new Set;for(const[i,{id:u,at:m}]of t.entries()){if(a.size===e.count)return;const h=e.valueOf(m,i),y=a.has(h);y&&i!==t.length-1||(o(u,y?`${e.name}, oldest`:`${e.name} ${h}`),a.add(h))}}function K(e){return e.find(({verified:t})=>t==="database")??e.find(({verified:t})=>t==="checksum")}function Y(e){return[...Map.groupBy(e,({network:t,profile:o})=>`${o} ${t}`).values()]}function oe(e){const o=(e.getUTCDay()+6)%7,a=new Date(Date.UTC(e.getUTCFullYear(),e.getUTCMonth(),e.getUTCDate()-o+3)),i=Date.UTC(a.getUTCFullYear(),0,1),u=Math.floor((a.getTime()-i)/864e5/7)+1;return`${a.getUTCFullYear()}-W${String(u).padStart(2,"0")}`}async function ae(e,{entries:t,begun:o,doubted:a},i,u){const{signal:m,expected:h}=i,y=({id:k})=>i.delete?.includes(k)===!0,d=({id:k})=>a.some(_=>_.id===k),C=t.filter(y),P=t.filter(k=>!y(k)&&!o.has(k.id)),V=t.filter(k=>!y(k)&&o.has(k.id)),J=h===void 0?P:[h,...P],ie=async k=>await ue(e,{candidates:k,entries:t},i,u),me=V.filter(d),le=[...(await ie(J)).filter(({id:k})=>P.some(_=>_.id===k)),...(me.length===0?[]:await ie([...J,...me])).filter(({id:k})=>me.some(_=>_.id===k))],ke=new Set(le.filter(({keep:k})=>k).map(({id:k})=>k)),$e=t.filter(({id:k})=>ke.has(k)),Oe=a.filter(({id:k})=>ke.has(k));for(const k of V.filter(_=>!d(_))){const{id:_}=k;try{H(k,$e,ce(k,i)),await(0,L.sd)(e,_,u,m)?$e.push(k):le.push({id:_,keep:!1,reasons:["its removal was begun"]})}catch(q){if(!(q instanceof j.lZ))throw q;Oe.push({id:_,error:q}),$e.push(k)}}for(const k of C){if(H(k,$e,ce(k,i)),await(0,L.sd)(e,k.id,u,m))throw U(k.id);le.push({id:k.id,keep:!1,reasons:["named by `delete`"]})}const ze=t.map(({id:k})=>k);return{decisions:le.filter(({id:k,keep:_})=>!_||!o.has(k)).toSorted((k,_)=>ze.indexOf(k.id)-ze.indexOf(_.id)),unfinished:Oe}}async function ue(e,{candidates:t,entries:o},a,i){const u={now:i.now(),published:a.published??a.expected?.id},m=M(t,a.retention,u).filter(({keep:d})=>!d),h=new Set;for(const{id:d}of m)await(0,L.sd)(e,d,i,a.signal)&&h.add(d);const y=new Map(o.map(d=>[d.id,d]));return M(t,a.retention,{...u,announced:h}).map(d=>{const C=y.get(d.id);if(d.keep||C===void 0)return d;const P=ce(C,a);return P===void 0?d:{...d,keep:!0,reasons:[P]}})}function ce({volumes:e,host:t},o){if(e.length!==0){if(o.volumes===void 0)return"its volume snapshot cannot be removed from here";for(const{driver:a}of e){const i=o.volumes.reasonNotRemovable(a,t);if(i!==void 0)return i}}}const se=24*36e5;async function fe(e,t){const{signal:o,dryRun:a}=t,i=t.clock??Z.m,u=a?void 0:await O(e,i,o),m=u===void 0?i:E(i,u),h=m.now(),y=[],d=a?await(0,de.Az)(e,o):await(0,r.Lq)(e,m,o);await x(e,d,t);const C=[...d.entries,...d.going].toSorted(N.Kd),P=C.filter(({id:q,pinned:xe})=>xe&&t.unpin?.includes(q)===!0),V=C.map(q=>P.includes(q)?{...q,pinned:!1}:q),J=new Set(d.going.map(({id:q})=>q)),ie={entries:V,begun:J,doubted:d.doubted},{decisions:me,unfinished:le}=await ae(e,ie,t,m),ke={clock:m,signal:o,signer:t.signer};a||await A(e,P,ke);const $e=(0,N.AQ)(V,h);$e!==void 0&&y.push($e),i.now()>h+N.QY&&y.push(`The clock of this host is ahead of the one of ${e.url}; the latter is gone by.`);const Oe=a?[]:me.filter(({keep:q})=>!q).map(({id:q})=>q),{removed:ze,failed:k}=await ve(e,Oe,ie,t,m),_=[...await v(e,m,t),...await $(e,h,t)];return{decisions:me,entries:V,removed:ze,unpinned:P.map(({id:q})=>q),notices:y,leftovers:_,refused:[...d.refused,...le,...k]}}async function ve(e,t,{entries:o,begun:a},i,u){const m=[],h=[],y=new Map;for(const d of t){const C=y.get(d),P=i.delete?.includes(d)===!0;if(C!==void 0){P&&h.push({id:d,error:F(d,C)});continue}try{if(await ye(e,d,a.has(d),i,u)){m.push(d);continue}P&&h.push({id:d,error:U(d)});for(const V of be(o,d))y.set(V,d)}catch(V){if((0,j.up)(V,"SNAPSHOT_NOT_FOUND"))continue;if(!(0,j.up)(V,pe))throw V;h.push({id:d,error:V})}}return{removed:m,failed:h}}function be(e,t){return(e.find(a=>a.id===t)?.volumes??[]).flatMap(({requires:a=[]})=>a)}const pe="VOLUME_STAYS";async function ye(e,t,o,a,i){const{signal:u,signer:m}=a,{volumes:h}=await(0,de.eY)(e,t,u);if(await(0,R.Z)(e,"deleted",t,{clock:i,signal:u,signer:m}),await(0,L.sd)(e,t,i,u))return o||(await e.delete((0,T.Z7)(t),u),await e.delete((0,T.yK)((0,T.Z7)(t)),u)),!1;await(0,r.Qj)(e,[],[t],i,u),await(0,r.Bn)(e,t,i,u);for(const y of h)await c(t,y,a);return await ge(e,t,u),!0}async function ge(e,t,o){await e.delete((0,T.Rn)(t),o);const a=await D(e,`${(0,T.H1)(t)}/`,o);for(const i of a.filter(u=>u!==(0,T.Z7)(t)))await e.delete(i,o);await e.delete((0,T.Z7)(t),o)}async function c(e,t,{volumes:o,signal:a}){try{await o?.remove(t)}catch(i){throw a.aborted?i:new j.lZ(pe,`The volume snapshot ${t.snapshot} of ${e} could not be removed (${(0,j.Uc)(i)}).`,{cause:i,hint:"The next prune tries again."})}}async function v(e,t,{signal:o,dryRun:a}){const i=t.now(),u=new Map;for await(const h of e.list(T.mT,o)){const y=h.key.split("/")[1]??"";u.set(y,[...u.get(y)??[],h])}const m=[];for(const[h,y]of u){const d=C=>y.some(P=>P.key===C);if(d((0,T.Rn)(h))){const C=y.filter(({key:P})=>P===(0,T.Eo)(h)||P.startsWith((0,T.db)(h)));for(const{key:P,modifiedAt:V}of C)!a&&S(V,i-se)&&await e.delete(P,o)}else(d((0,T.Z7)(h))||y.every(C=>S(C.modifiedAt,i)))&&(a||await ge(e,h,o),m.push(`${(0,T.H1)(h)}/`))}return m}async function $(e,t,o){const a=[];for await(const{token:i,startedAt:u}of e.listUploads(T.mT,o.signal))S(u,t)&&(o.dryRun||await e.abortUpload(i,o.signal),a.push(i.key));return a}const w="time.json";async function O(e,t,o){const a=Buffer.from(`${JSON.stringify({at:new Date(t.now()).toISOString()})}
`);await e.put(w,a,{contentType:"application/json",signal:o});const i=await e.head(w,o);return await e.delete(w,o),i?.modifiedAt?.getTime()}function E(e,t){const o=Math.max(0,e.now()-t);return{now:()=>e.now()-o,sleep:async(a,i)=>await e.sleep(a,i)}}function S(e,t){return e!==void 0&&t-e.getTime()>se}async function D(e,t,o){const a=[];for await(const{key:i}of e.list(t,o))a.push(i);return a}var X=g(44702),ne=g(99834),re=g(32365),Q=g(76633),Me=g(23161),Se=g(51699);async function n(e,t){const{dryRun:o,sudo:a,retention:i}=e,u={delete:e.delete,unpin:e.unpin};await(0,Se.aH)(t,e,async m=>{const h=await(0,re.uh)(t,e.signKey),y=await l(t,m,i,{sudo:a,dryRun:o,signer:h,...u}),C=o?"would be":y!==1?"were":"was";t.report.headline(`${o?"Dry run: ":""}${(0,X.B4)(y,"snapshot")} ${C} removed from ${m.url}.`)})}async function s(e,t,o,a){if(Object.keys(o).length!==0)try{await l(e,t,o,a)}catch(i){(0,j.Te)(e.signal),e.report.warning(`The snapshot is published, but older ones could not all be removed, which the next run tries again: ${(0,j.Uc)(i)}`)}}async function l(e,t,o,{sudo:a,dryRun:i=!1,published:u,delete:m=[],unpin:h=[],signer:y}){const{report:d,signal:C,clock:P}=e;return await d.phase("retention",i?"Decide what stays":"Keep what retention says",async()=>{const V=we(e,t,a),ie=await fe(t,{retention:o,dryRun:i,signal:C,clock:P,volumes:V,...{delete:m,unpin:h,published:u,signer:y}});for(const le of h)d.fact(le,W(ie.unpinned.includes(le),i));const me=ie.refused.find(({id:le})=>m.includes(le));if(f(e,{...ie,refused:ie.refused.filter(le=>le!==me)},i),i)return p(e,t,ie);if(d.output("pruned",JSON.stringify(ie.removed)),await(0,Me.K)(e,t),me!==void 0)throw me.error;return ie.removed.length})}function f({report:e},t,o){e.table("Retention",["snapshot","","why"],t.decisions.map(({id:a,keep:i,reasons:u})=>[a,i?"stays":"goes",u.join(", ")]));for(const a of t.leftovers)e.info(`Left by a dead run${o?"":", removed"}: ${a}`);for(const a of t.notices)e.warning(a);for(const{id:a,error:i}of t.refused)e.warning(`${a} is left alone: ${i.message}`)}function p(e,t,o){const a=z(o),{unpinned:i,leftovers:u}=o,m=[["Would remove",I(a)],["Left by dead runs",u.length===0?"nothing":u.join(", ")]];return(0,Q.N)(e,m,{command:"prune",storage:t.url,removes:a.ids,removesBytes:a.bytes,unpins:i,keeps:o.decisions.filter(({keep:h})=>h).map(({id:h,reasons:y})=>({id:h,reasons:y})),leftovers:u}),a.ids.length}function z({decisions:e,entries:t}){const o=e.filter(({keep:i})=>!i).map(({id:i})=>i),a=new Map(t.map(({id:i,archive:u})=>[i,u?.size??0]));return{ids:o,bytes:o.reduce((i,u)=>i+(a.get(u)??0),0)}}async function B(e,t,{retention:o,sudo:a},i){const{signal:u,clock:m}=e;if(Object.keys(o).length===0)return{ids:[],bytes:0};try{const h=we(e,t,a);return z(await fe(t,{retention:o,dryRun:!0,signal:u,clock:m,volumes:h,expected:i}))}catch(h){(0,j.Te)(u),e.report.notice(`What retention would remove cannot be found out: ${(0,j.Uc)(h)}`);return}}function I(e){return e===void 0?"not known":e.ids.length===0?"nothing":`${e.ids.join(", ")} (${(0,ne.z3)(e.bytes)})`}function W(e,t){return e?t?"would no longer be pinned":"is no longer pinned":"was not pinned"}function we(e,t,o){const{host:a,signal:i,volumes:u}=e;return{reasonNotRemovable:(m,h)=>u.isLocal(m)&&h!==a.hostName?`its ${m} snapshot is on ${h}: prune there`:void 0,async remove(m){const h={privilege:e.privilege(o),store:t};await u.snapshotter(m.driver,[],h).delete(m,i)}}}}),23161:((he,ee,g)=>{g.d(ee,{m:()=>Q,K:()=>Se});var j=g(68301),Z=g(68970),N=g(77598),T=g(99834);class R{text;constructor(s){this.text=s}}function r(n,...s){const l=n.map((f,p)=>`${f}${de(s[p])}`);return new R(l.join(""))}function de(n){return n===void 0?"":n instanceof R?n.text:typeof n=="object"?n.map(de).join(""):x(String(n))}function x(n){return n.toWellFormed().replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g,"\uFFFD").replaceAll("&","&amp;").replaceAll("<","&lt;").replaceAll(">","&gt;").replaceAll('"',"&quot;").replaceAll("'","&#39;")}const H=`
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
`,F=`
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
`,U=1e3,A=100,L=864e5;function M(n,s){const l=[...s].sort((e,t)=>e.at-t.at),f=l[0],p=l.at(-1);if(f===void 0||p===void 0||f.at===p.at)return;const z=l.map(({at:e,height:t})=>({at:e,value:t})),B=l.flatMap(({at:e,sizeBytes:t})=>t===void 0?[]:[{at:e,value:t}]),I={from:f.at,to:p.at},W=p.at-f.at>=4*L?4:1,we=Array.from({length:W+1},(e,t)=>K(I.from+(I.to-I.from)*t/W));return r`<figure class="chart" aria-label="${n} from ${K(f.at)} to ${K(p.at)}">
${b("Stacks height",z,I,{format:G,unit:1,fromZero:!1})}
${B.length<2?void 0:b("Size of the archive",B,I,{format:T.z3,unit:1024,fromZero:!0})}
<div class="axis" aria-hidden="true">${we.map(e=>r`<span>${e}</span>`)}</div>
</figure>`}function b(n,s,l,f){const p=s.map(({value:d})=>d),z=p.reduce((d,C)=>Math.max(d,C),-1/0),B=p.reduce((d,C)=>Math.min(d,C),1/0),I=te(f.fromZero?0:B,z,f.unit),[W=0]=I,we=(I.at(-1)??1)-W,e=({at:d})=>((d-l.from)/(l.to-l.from)*U).toFixed(1),t=d=>`${e(d)} ${(A-(d.value-W)/we*A).toFixed(1)}`,o=s.map(t).join("L"),[a={at:l.from,value:0}]=s,i=s.at(-1)??a,u=s.length>60?"":s.map(d=>`M${t(d)}h0`).join(""),m=I.map((d,C)=>`M0 ${C/(I.length-1)*A}H${U}`).join(""),h=f.fromZero?`M${o}V${A}H${e(a)}Z`:"",y=`${n}: from ${f.format(a.value)} to ${f.format(i.value)}, at most ${f.format(z)}`;return r`<div class="plot">
<p class="title">${n}</p>
<div class="scale" aria-hidden="true">${I.toReversed().map(d=>r`<span>${f.format(d)}</span>`)}</div>
<svg viewBox="0 0 ${U} ${A}" preserveAspectRatio="none" role="img" aria-label="${y}"><path class="grid" d="${m}"></path><path class="area" d="${h}"></path><path class="line" d="M${o}"></path><path class="dots" d="${u}"></path></svg>
</div>`}function te(n,s,l){const f=s-n||Math.max(1,s),p=l>1?l**Math.floor(Math.log(Math.max(f,1))/Math.log(l)):1,z=f/p/4,B=10**Math.floor(Math.log10(z)),I=p*B*([1,2,2.5,5,10].find(t=>t*B>=z)??10),W=Math.max(1,Math.ceil(I)),e=[Math.floor(n/W)*W];for(;(e.at(-1)??0)<s||e.length<2;)e.push((e.at(-1)??0)+W);return e}function G(n){return Math.round(n).toLocaleString("en")}function K(n){return new Date(n).toISOString().slice(0,10)}const Y=new Map(Object.entries({files:"database files whole",A:"state has a tip",B:"header index at the state's tip",C:"highest header on its chain",D:"block store at the tip",E:"sortitions know the tip",F:"tries reach the tip",G:"burn headers reach the tip",H:"burn chain reaches the tip",integrity:"SQLite integrity",blobs:"every trie record"}));function oe(n,s,l){const{archive:f,id:p,network:z}=n,B=[p,z,n.stacksHeight,n.nodeVersion??"",n.createdAt,n.profile];return r`
<li data-words="${B.join(" ").toLowerCase()}"><details${new R(l?" open":"")}>
<summary class="row"><span class="cell when">${pe(n.createdAt)}</span> <span class="cell chain">${z} <b>${c(n.stacksHeight)}</b></span> <span class="cell size">${ae(n)}</span> <span class="cell node">${n.nodeVersion??""}</span> <span class="cell verdict">${ue(n)}${n.pinned?r` <span class="pin">pinned</span>`:void 0}</span></summary>
<div class="more">
<p class="id">${p}</p>
<dl class="facts">${ve(n).map(([I,W])=>r`<div><dt>${I}</dt><dd>${W}</dd></div>`)}</dl>
${ce(n.checks)}
${f===null?void 0:se(f,s)}
${f===null?void 0:fe("Or restore with the action",(0,j.T2)(s,{id:p,network:z}))}
${n.volumes.length===0?void 0:fe("Restore from the volume snapshot",(0,j.T2)(s,{id:p,network:z,fromVolume:!0}),"Where the volume and its snapshot are; nothing is downloaded.")}
<p class="links">${f===null?void 0:r`<a href="${ge(f.key)}">Archive</a> · `}<a href="${ge(n.manifest)}">Manifest<span class="unseen"> of ${p}</span></a>${n.signedBy===void 0?void 0:r` · <a href="${ge(`${n.manifest}.sig`)}">Signature<span class="unseen"> of ${p}</span></a>`}</p>
</div>
</details></li>`}function ae({archive:n,volumes:s}){if(n===null)return r`volume <span class="more-of">${s.map(({driver:f})=>f).join(", ")}</span>`;const l=n.reusedBytes===0?"sent whole":`${(0,T.z3)(n.uploadedBytes)} sent`;return r`${(0,T.z3)(n.size)} <span class="more-of">${l}${s.length===0?"":" + volume"}</span>`}function ue({checks:n,verified:s}){const l=n.filter(({result:z})=>z==="failed").map(({id:z})=>z);if(l.length>0)return r`<span class="bad">✗ failed: ${l.join(", ")}</span>`;const f=n.filter(({result:z})=>z==="passed").length,p={none:"not read back",checksum:"read back",database:"read back, databases too"}[s];return f===0?r`<span class="soft">not checked</span> <span class="more-of">${p}</span>`:r`<span class="good">✓ ${f===1?"1 check":`${f} checks`} passed</span> <span class="more-of">${p}</span>`}function ce(n){if(n.length===0)return;const s=new Map([["passed",["good","\u2713","passed"]],["failed",["bad","\u2717","failed"]]]),l=n.map(({id:f,result:p})=>{const[z,B,I]=s.get(p)??["soft","\u2013","not made"],W=Y.get(f)??f;return r`<li><span class="${z}" aria-hidden="true">${B}</span> <span class="unseen">${I}: </span>${W}</li>`});return r`<h3>Checks of the chainstate</h3>
<ul class="checks">${l}</ul>`}function se({key:n,sha256:s},l){const{download:f,verify:p,unpack:z}=(0,j.Xm)({storage:l,key:n,hasSha256:s!==null}),B=(s===null?[n]:[n,`${n}.sha256`]).map(ge),I=s===null?"Parts of it were copied on the store, so there is no digest of the whole; each part has a checksum of its own.":void 0;return r`${fe("1. Download with plain tools",f.join(`
`),void 0,B.join(" "))}
${fe("2. Verify",p.join(`
`),I)}
${fe("3. Unpack here",z.join(`
`))}`}function fe(n,s,l,f){const p=f===void 0?void 0:r` data-keys="${f}"`;return r`<h3>${n}</h3>
${l===void 0?void 0:r`<p class="note">${l}</p>`}<div class="code" data-title="${n}"><pre${p}>${s}</pre></div>`}function ve(n){const{archive:s,cut:l}=n;return[["Network",n.network],["Stacks height",c(n.stacksHeight)],["Bitcoin height",n.burnHeight===null?"not known":c(n.burnHeight)],["Node version",n.nodeVersion??"not known"],["Archive",s===null?void 0:r`${(0,T.z3)(s.size)} <span class="more-of">${c(s.size)} bytes</span>`],["Unpacked",s===null?void 0:(0,T.z3)(s.tarSize)],["Reused from the one before",s===null?void 0:be(s)],["In WALs of databases",s?.carriedWalBytes===void 0?void 0:(0,T.z3)(s.carriedWalBytes)],["Volume snapshots",n.volumes.map(({driver:p,snapshot:z})=>`${p}: ${z}`).join("; ")],["Node was down for",l.method==="live"?"never (live)":`${l.downtimeSeconds.toFixed(1)} s (${l.method})`],["Read back",{none:"no",checksum:"every digest",database:"every digest and the databases"}[n.verified]],["Profile",n.profile],["Pruned chainstate",n.pruned?"yes":void 0],["Pinned",n.pinned?"yes, retention keeps it":void 0],["SHA-256 of the archive",s?.sha256??void 0],["Signed with",n.signedBy]].filter(p=>p[1]!==void 0&&p[1]!=="")}function be({size:n,uploadedBytes:s,reusedBytes:l}){const f=n===0?0:Math.floor(l/n*1e3)/10;return l===0?"nothing":`${f} %, ${(0,T.z3)(s)} sent`}function pe(n){const s=new Date(n),l=Number.isNaN(s.getTime())?n:s.toISOString().slice(0,16).replace("T"," ");return r`<time datetime="${n}" data-age>${l}</time>`}function ye({createdAt:n}){return Date.parse(n)||0}function ge(n){return`./${encodeURI(n.toWellFormed())}`}function c(n){return n.toLocaleString("en")}const v=6;function $({storage:n,entries:s}){const l=[...s].sort((p,z)=>ye(z)-ye(p));return r(Ee||(Ee=Ae([`<!doctype html>
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
`])),S(H),S(F),new R(H),n.url,l.length===0?w():O(l,n),new R(F)).text}function w(){return r`<section class="card nothing">
<h2>There is no snapshot here yet</h2>
<p>The first run of the action with <code>command: snapshot</code> and this storage publishes one, and writes this page anew. So does every later run.</p>
</section>`}function O(n,s){const l=[...new Set(n.map(({network:p})=>p))],f=l.length>v?[]:l;return r`${f.map(p=>E(p,n.filter(z=>z.network===p)))}
<section aria-labelledby="all">
<h2 id="all">${n.length===1?"The snapshot":`All ${c(n.length)} snapshots, newest first`}</h2>
<div class="list">
<div class="row columns" aria-hidden="true"><span></span><span>Taken (UTC)</span><span>Chain</span><span>Archive</span><span>Node</span><span>Checks</span></div>
<ol class="entries">${n.map((p,z)=>oe(p,s,z===0))}</ol>
</div>
</section>`}function E(n,s){const[l]=s;if(l===void 0)return r``;const{archive:f}=l,p=s.filter(B=>ye(B)>0).map(B=>({at:ye(B),height:B.stacksHeight,sizeBytes:B.archive?.size})),z=[["Stacks height",r`${c(l.stacksHeight)}`,l.burnHeight===null?void 0:`Bitcoin height ${c(l.burnHeight)}`],["Taken (UTC)",pe(l.createdAt),void 0],[f===null?"Kept as":"Archive",r`${f===null?"volume snapshot":(0,T.z3)(f.size)}`,f===null?l.volumes.map(({driver:B})=>B).join(", "):`${(0,T.z3)(f.tarSize)} unpacked`],["Checks",ue(l),void 0]];return r`<section class="card">
<h2>${n}, newest of ${s.length===1?"1 snapshot":`${c(s.length)} snapshots`}</h2>
<dl class="figures">${z.map(([B,I,W])=>r`<div><dt>${B}</dt><dd>${I}${W===void 0?void 0:r` <span class="more-of">${W}</span>`}</dd></div>`)}</dl>
${M(n,p)}
</section>`}function S(n){return`sha256-${(0,N.createHash)("sha256").update(n).digest("base64")}`}var D=g(9688),X=g(28990),ne=g(44231),re=g(41155);async function Q(n,s,l,f){const{report:p,signal:z,clock:B}=n;await p.phase("publish","Publish",async()=>{let I;try{const W=we=>{I=we};await(0,D.mk)(s,l,z,B,{onWritten:W,signer:f})}catch(W){throw await Me(n,s,l,I),W}await(0,re.t)(n,s,I??l),await Se(n,s)})}async function Me(n,s,l,f){const{id:p}=l;await(0,ne.z)(n.report,`find out whether ${p} was published`,async z=>{f===void 0&&await s.head((0,Z.Rn)(p),z)===void 0||(await(0,re.t)(n,s,f??l),n.report.warning(`${p} is in ${s.url} and can be restored; the catalogue may not list it before the next snapshot or prune.`))})}async function Se({report:n},s){const l={warning:f=>n.notice(f)};await(0,ne.z)(l,"write the page of all snapshots, index.html",async f=>{const p=await(0,X.Cb)(s,f),z=$({storage:(0,j.$t)(s),entries:p});await s.put("index.html",Buffer.from(z),{contentType:"text/html; charset=utf-8",signal:f})})}}),76633:((he,ee,g)=>{g.d(ee,{N:()=>j});function j({report:Z},N,T){Z.table("Plan",["what","plan"],N),Z.output("plan",JSON.stringify(T))}}),9357:((he,ee,g)=>{g.d(ee,{E:()=>j});function j(Z,{archive:N,volume:T}){const R=N?.chosen?.freezer.name,r=R??T?.snapshotter.driver??"cold";return Z.cut==="live"?{method:"live",freezer:r}:{method:R==="cold"||R===void 0&&(Z.cut==="cold"||T?.isSlow===!0)?"cold":"frozen",freezer:r}}}),41155:((he,ee,g)=>{g.d(ee,{$:()=>U,t:()=>x});var j=g(77598),Z=g(51455),N=g(76760),T=g(68301),R=g(66632),r=g(99834),de=g(9357);async function x(A,L,M){const{report:b,host:te}=A,{archive:G,chain:K,cut:Y,id:oe,volumes:ae}=M,ue=(0,N.join)(te.tempDir,`${oe}.manifest.json`),ce=`${JSON.stringify(M,void 0,2)}
`;await(0,Z.writeFile)(ue,ce),b.output("snapshot-id",oe),b.output("manifest-url",L.urlOf(`snapshots/${oe}/manifest.json`)),b.output("manifest-path",ue),M.digest!==void 0&&b.output("manifest-digest",(0,j.createHash)("sha256").update(ce).digest("hex")),b.output("downtime-seconds",String(Y.downtimeSeconds)),b.fact("Snapshot",oe),M.signedBy!==void 0&&b.fact("Signed with",M.signedBy);const se=Y.freezer===R.SW;b.fact("Storage",L.url),se||(b.fact("Taken at",Y.at),b.fact("Cut",`${Y.method}, frozen by ${Y.freezer}`)),G!==void 0&&H(A,L,G),ae.length>0&&(b.output("volume-snapshots",JSON.stringify(ae)),b.fact("Volume snapshot",ae.map(({driver:fe,snapshot:ve})=>`${fe} ${ve}`).join(", "))),b.headline(`Snapshot ${oe} at Stacks height ${K.stacksHeight} is published.`)}function H(A,L,M){const{report:b}=A,te=L.urlOf(M.key);b.output("archive-url",te),b.output("size-bytes",String(M.size)),b.output("uploaded-bytes",String(M.uploadedBytes)),b.fact("Archive",`${M.files} files, ${(0,r.z3)(M.tarSize)} in ${(0,r.z3)(M.size)}`);const G=M.reused?.frames??0,K=(0,r.pR)(M.reused?.bytes??0,M.size);b.output("reused-frames",String(G)),b.output("reused-percent",K),M.reused!==void 0&&b.fact("Reused",`${G} of ${M.frames} frames, ${K} % of the bytes, from ${M.reused.from}`),F(A,M),b.link("Archive",te),b.commands("Restore it by hand",Object.values((0,T.Xm)({storage:(0,T.$t)(L),key:M.key,hasSha256:M.sha256!==void 0})).flat())}function F({report:A},{databases:L=[],uploadedBytes:M}){A.fact("Sent",(0,r.z3)(M));const b=L.filter(Y=>Y.carried!==void 0);if(L.length===0)return;const te=L.length-b.length;if(b.length===0){A.fact("Databases",`${te} archived whole; the next snapshot can send what changes in them`);return}const G=b.reduce((Y,oe)=>Y+(oe.carried?.changedPages??0),0),K=(0,r.z3)((0,R.IQ)(L));A.fact("Databases",`${G} changed pages of ${b.length} sent, ${te} archived whole; their WALs have ${K}`)}function U({config:A,ctx:L},M,b,{checks:te,verified:G,proof:K,confirmation:Y,downtimeSeconds:oe}){const{node:ae}=M,{archive:ue,volumes:ce,cleanStop:se}=b;return{version:1,id:b.id,createdAt:new Date(L.clock.now()).toISOString(),kind:A.method,tool:L.host.tool,host:L.host.hostName,node:{manager:ae.control.identity.manager,name:ae.control.identity.name,versionLine:ae.version?.line??null,version:ae.version?.version??null,commit:ae.version?.commit??null},chain:b.facts,cleanStop:se===void 0?null:{...se,evidence:[...se.evidence]},checks:[...te],verified:G,...K===void 0?{}:{proof:K},...Y===void 0?{}:{confirmation:Y},cut:{...(0,de.E)(A,M),at:b.at.toISOString(),downtimeSeconds:oe},...ue===void 0?{}:{archive:ue.record},volumes:[...ce],profile:A.profile,excluded:[...A.exclude],...A.pin?{pinned:!0}:{}}}})};export{je as id,De as ids,Pe as modules};
