var Te=Object.freeze,Ce=Object.defineProperty;var Ae=(me,q)=>Te(Ce(me,"raw",{value:Te(q||me.slice())}));var Ee;const je=1,De=[1],Pe={68301:((me,q,g)=>{g.d(q,{$t:()=>K,T2:()=>M,Xm:()=>N});var j=g(35475);function K({url:E,s3Endpoint:H}){return{url:E,s3Endpoint:H}}function N({storage:E,key:H,hasSha256:V}){const T=H.split("/").at(-1)??H;return{download:(V?[H,`${H}.sha256`]:[H]).map(C=>R(E,C)),verify:[V?`sha256sum -c ${r(`${T}.sha256`)}`:`zstd -t ${r(T)}`],unpack:[`tar --zstd -xf ${r(T)}`]}}function M(E,{id:H,network:V,fromVolume:T}){const{s3Endpoint:C}=E;return["- uses: OWNER/chainstate-snapshot@v0","  with:",...[["command","restore"],["storage",E.url],...C===void 0?[]:[["s3-endpoint",C]],["snapshot",H],...T===!0?[["method","volume"]]:[],["chainstate-dir",`/var/stacks/${V}`]].map(([k,F])=>`    ${k}: ${re(F)}`)].join(`
`)}function R({url:E,s3Endpoint:H},V){const T=`${E.replace(/\/+$/,"")}/${V}`,C=/^([a-z0-9]+):\/\//.exec(T)?.[1];if(C==="s3")return`aws s3 cp${H===void 0?"":` --endpoint-url ${r(H)}`} ${r(T)} .`;if(C==="gs")return`gcloud storage cp ${r(T)} .`;if(C==="file")return`cp ${r(decodeURIComponent(new URL(T).pathname))} .`;if(C==="az"){const[U="",k="",...F]=T.slice(5).split("/");return`az storage blob download ${[["--account-name",U],["--container-name",k],["--name",F.join("/")],["--file",F.at(-1)??""]].map(([ie="",W=""])=>`${ie} ${r(W)}`).join(" ")}`}return`curl --fail --location --retry 9 --continue-at - --remote-name ${r(T)}`}function r(E){return/^[A-Za-z0-9_@%+=:,./-]+$/.test(E)&&!E.startsWith("-")?E:(0,j.h)(E)}function re(E){return/^[A-Za-z/][A-Za-z0-9_@%+=./-]*(?::[A-Za-z0-9_@%+=./-]+)*$/.test(E)?E:JSON.stringify(E)}}),9688:((me,q,g)=>{g.d(q,{Qj:()=>ce,eN:()=>ee,Bn:()=>ye,mk:()=>W,Lq:()=>de});var j=g(57975),K=g(77934),N=g(56046),M=g(37218),R=g(29063),r=g(68970),re=g(31323),E=g(28990),H=g(47318),V=g(19778);const T=40,C={firstPauseMs:50,longestPauseMs:2e3},U=1500;async function k(c,v,$,w,O){const A={attempts:T,...C,passes:b=>b instanceof F&&b,signal:O,clock:w};try{await(0,H.L5)(A,async()=>{const b=await I(c,v,O),D=await $(b?.bytes);if(D!==void 0){if(!await ie(c,v,D,b,O))throw new F(0);if(!c.capabilities.conditionalWrites)throw new F(U*(.5+Math.random()))}})}catch(b){throw b instanceof F?new N.lZ("CATALOG_BUSY",`${c.urlOf(v)} was changed by others each of ${T} times.`,{hint:"Run this again, and let fewer hosts publish to one prefix at the same moment."}):b}}class F extends Error{afterMs;constructor(v){super("The object is not as it is to be."),this.afterMs=v}}async function I(c,v,$){try{const{bytes:w,info:O}=await c.get(v,{signal:$,atMostBytes:V.VN});return{bytes:w,etag:O.etag}}catch(w){if((0,N.up)(w,"OBJECT_NOT_FOUND"))return;if(!(0,N.up)(w,"OBJECT_TOO_LARGE"))throw w;const O=await c.head(v,$);return O===void 0?void 0:{bytes:new Uint8Array,etag:O.etag}}}async function ie(c,v,$,w,O){const A=w===void 0?{ifAbsent:!0}:w.etag===void 0?{}:{ifMatch:w.etag};try{return await c.put(v,$,{...A,contentType:"application/json",signal:O}),!0}catch(b){if((0,N.up)(b,"PRECONDITION_FAILED"))return!1;throw b}}async function W(c,v,$,w=M.m,{onWritten:O,signer:A}={}){const b=await fe(c,v.id,$),{manifest:D,bytes:G}=(0,re.H)({...v,...b===void 0?{}:{sequence:b},...A===void 0?{}:{signedBy:A.fingerprint}}),{id:te}=D;if(await oe(c,D,$),A!==void 0){const se={key:(0,r.cx)(te),contentType:"text/plain"};await pe(c,se,await A.sign(G),$)}return await pe(c,{key:(0,r.Rn)(te),contentType:"application/json"},G,$),O?.(D),await be(c,(0,R.Ms)(D),w,$),await ge(c,(0,R.Ms)(D),w,$),await c.delete((0,r.Eo)(D.id),$).catch(()=>{}),D}async function ee(c,v,$,w,O){const A=1+ne(await(0,E.Cb)(c,O));for(let b=0;b<60;b+=1){const D=new Date($.getTime()+b*1e3),G=(0,r.iy)(v.network,v.stacksHeight,D),te=Buffer.from(`${JSON.stringify({runId:w,at:$.toISOString(),sequence:A})}
`);try{if(await c.head((0,r.Rn)(G),O)!==void 0)continue;return await c.put((0,r.Eo)(G),te,{ifAbsent:!0,contentType:"application/json",signal:O}),{id:G,at:D}}catch(se){if(!(0,N.up)(se,"PRECONDITION_FAILED"))throw se}}throw new N.lZ("SNAPSHOT_EXISTS",`Sixty snapshots of height ${v.stacksHeight} are being made in ${c.url}.`,{hint:"Give each host a prefix of its own."})}function ne(c){return c.reduce((v,{sequence:$=0})=>Math.max(v,$),0)}const ue=K._H3({sequence:K.FsL(K.aig(),K.Y2b(),K.Wwf(0))});async function fe(c,v,$){const w=await(0,V.Zu)(c,(0,r.Eo)(v),$),O=K.xLC(ue,w===void 0?void 0:(0,V.qF)(w));return O.success?O.output.sequence:void 0}async function de(c,v,$,w=!1){const O=new Map((await(0,E.ak)(c,$))?.map(Q=>[Q.id,Q])),A=await(0,E.Az)(c,$,w?O:new Map),b=A.entries.map(Q=>({...O.get(Q.id),...Q})),D=new Set(b.map(({id:Q})=>Q)),G=b.filter(Q=>!(0,j.isDeepStrictEqual)(O.get(Q.id),Q)),te=[...O.keys()].filter(Q=>!D.has(Q));(G.length>0||te.length>0)&&await ce(c,G,te,v,$);const[se]=b.toSorted((0,R.nO)(v.now()));return se!==void 0&&await ge(c,se,v,$),{...A,entries:b,repaired:[...G.map(({id:Q})=>Q),...te]}}async function ce(c,v,$,w,O){const A=new Set([...v.map(({id:b})=>b),...$]);await k(c,r.Vz,async b=>{const D=b===void 0?void 0:(0,R.uM)(b,c.urlOf(r.Vz))?.snapshots,te=[...(D??(await(0,E.Az)(c,O)).entries).filter(({id:se})=>!A.has(se)),...v].sort(R.Kd);if(!(0,j.isDeepStrictEqual)(D,te))return(0,R.Jj)(te,new Date(w.now()))},w,O)}async function oe(c,v,$){const{archive:w,volumes:O}=v;for(const A of new Set((0,R.Ms)(v).volumes.flatMap(({requires:b=[]})=>b)))if(await c.head((0,r.Rn)(A),$)===void 0)throw new N.lZ("SNAPSHOT_INCOMPLETE",`${O[0]?.snapshot??v.id} is based on ${A}, which was removed meanwhile, so the snapshot is not published.`,{hint:"Run this again: it is then based on another one."});if(w!==void 0)for(const{key:A,size:b}of[w,w.index]){const D=await c.head(A,$);if(D?.size===b)continue;const G=D===void 0?"does not exist":`has ${D.size} bytes instead of ${b}`;throw new N.lZ("SNAPSHOT_INCOMPLETE",`${c.urlOf(A)} ${G}, so the snapshot is not published.`,{hint:"Something else writes to that prefix, or the store lost it. Run this again."})}}async function pe(c,{key:v,contentType:$},w,O){try{await c.put(v,w,{ifAbsent:!0,contentType:$,signal:O})}catch(A){if(!(0,N.up)(A,"PRECONDITION_FAILED"))throw A;const b=await(0,V.Zu)(c,v,O);if(b!==void 0&&Buffer.compare(b,w)===0)return;throw new N.lZ("SNAPSHOT_EXISTS",`There is ${c.urlOf(v)} already; it is never overwritten.`,{cause:A,hint:"Another host published the same height in the same second. Run this again."})}}async function be(c,v,$,w){await ce(c,[v],[],$,w),await de(c,$,w,!0)}async function ge(c,v,$,w){const O=Buffer.from(`${JSON.stringify({id:v.id,manifest:(0,r.Rn)(v.id)})}
`);await k(c,r.p8,async A=>{const b=A===void 0?void 0:(0,E.Eg)(A);if(b===v.id)return;const D=b===void 0?void 0:await we(c,b,w);return D!==void 0&&(0,R.nO)($.now())((0,R.Ms)(D),v)<0?void 0:O},$,w)}async function ye(c,v,$,w){const O=await(0,V.sM)(c,r.p8,w);if(O===void 0||(0,E.Eg)(O)!==v)return;const[A]=(await(0,E.Cb)(c,w)).toSorted((0,R.nO)($.now()));A===void 0?await c.delete(r.p8,w):await ge(c,A,$,w)}async function we(c,v,$){try{const w=await(0,E.eY)(c,v,$);return await c.head((0,r.Z7)(v),$)===void 0?w:void 0}catch(w){if(w instanceof N.lZ&&E.$m.has(w.code))return;throw w}}}),96001:((me,q,g)=>{g.r(q),g.d(q,{describeGoing:()=>L,previewRetention:()=>B,prune:()=>n,tryApplyRetention:()=>s});var j=g(56046),K=g(37218),N=g(29063),M=g(68970),R=g(42202),r=g(9688),re=g(28990);async function E(e,{entries:t,going:o,refused:a},i){const f=new Set(i.delete);for(const h of new Set([...f,...i.unpin??[]])){if([...t,...o].some(y=>y.id===h))continue;const m=a.find(y=>y.id===h)?.error;if(m!==void 0)throw m;if(!(f.has(h)&&await e.head((0,M.Z7)(h),i.signal)!==void 0))throw(0,re.b$)(h,t,e.url)}}function H({id:e,pinned:t},o,a){if(t)throw new j.lZ("SNAPSHOT_PINNED",`${e} is pinned and is not removed.`,{hint:`Set \`unpin: ${e}\` as well.`});const i=o.find(({volumes:f})=>f.some(({requires:h=[]})=>h.includes(e)));if(i!==void 0)throw V(e,i.id);if(a!==void 0)throw new j.lZ("VOLUME_ELSEWHERE",`${e} cannot be removed from here: ${a}.`)}function V(e,t){return new j.lZ("SNAPSHOT_NEEDED",`${t} is based on ${e}, which is not removed.`)}function T(e){return new j.lZ("SNAPSHOT_IN_USE",`${e} is being read by another run and is not removed.`)}async function C(e,t,o){if(t.length===0)return;for(const{id:i}of t)await(0,R.Z)(e,"unpinned",i,o);const a=t.map(i=>({...i,pinned:!1}));await(0,r.Qj)(e,a,[],o.clock,o.signal)}var U=g(2388);function k(e,t,{now:o,announced:a=new Set,published:i}){const f=new Map(e.map(({id:y})=>[y,[]])),h=(y,d)=>{y!==void 0&&f.get(y)?.push(d)},m=I(t);for(const y of ee(e)){const d=y.toSorted(N.Kd),x=F(d,o);if(m.length===0)for(const{id:Y}of d)h(Y,"no rule is set");for(const Y of m)ie(Y,x,h);const P=y.toSorted((0,N.nO)(o));h(P[0]?.id,"newest"),h(W(P)?.id,"newest verified");const J=new Set(x.map(({id:Y})=>Y));for(const{id:Y,pinned:ae}of d)J.has(Y)||h(Y,"dated after now"),ae&&h(Y,"pinned"),Y===i&&h(Y,"published by this run"),a.has(Y)&&h(Y,"a restore reads it")}for(const{id:y,volumes:d=[]}of e.toSorted(N.Kd))if((f.get(y)??[]).length!==0)for(const x of new Set(d.flatMap(({requires:P=[]})=>P)))h(x,`${y} is based on it`);return e.toSorted(N.Kd).map(({id:y})=>{const d=f.get(y)??[];return d.length>0?{id:y,keep:!0,reasons:d}:{id:y,keep:!1,reasons:[`beyond ${m.map(({name:x,count:P})=>`keep-${x} ${P}`).join(", ")}`]}})}function F(e,t){const o=[];for(const a of e){const i=o.at(-1);(0,N.dS)(a,t)?a.sequence!==void 0&&i!==void 0&&o.push({id:a.id,at:i.at}):o.push({id:a.id,at:new Date((0,N.Fm)(a))})}return o}function I(e){return[{name:"last",count:e.keepLast??0,valueOf:(o,a)=>String(a+1)},{name:"daily",count:e.keepDaily??0,valueOf:o=>o.toISOString().slice(0,10)},{name:"weekly",count:e.keepWeekly??0,valueOf:ne},{name:"monthly",count:e.keepMonthly??0,valueOf:o=>o.toISOString().slice(0,7)}].filter(({count:o})=>o>0)}function ie(e,t,o){const a=new Set;for(const[i,{id:f,at:h}]of t.entries()){if(a.size===e.count)return;const m=e.valueOf(h,i),y=a.has(m);y&&i!==t.length-1||(o(f,y?`${e.name}, oldest`:`${e.name} ${m}`),a.add(m))}}function W(e){return e.find(({verified:t})=>t==="database")??e.find(({verified:t})=>t==="checksum")}function ee(e){return[...Map.groupBy(e,({network:t,profile:o})=>`${o} ${t}`).values()]}function ne(e){const o=(e.getUTCDay()+6)%7,a=new Date(Date.UTC(e.getUTCFullYear(),e.getUTCMonth(),e.getUTCDate()-o+3)),i=Date.UTC(a.getUTCFullYear(),0,1),f=Math.floor((a.getTime()-i)/864e5/7)+1;return`${a.getUTCFullYear()}-W${String(f).padStart(2,"0")}`}async function ue(e,{entries:t,begun:o,doubted:a},i,f){const{signal:h,expected:m}=i,y=({id:S})=>i.delete?.includes(S)===!0,d=({id:S})=>a.some(X=>X.id===S),x=t.filter(y),P=t.filter(S=>!y(S)&&!o.has(S.id)),J=t.filter(S=>!y(S)&&o.has(S.id)),Y=m===void 0?P:[m,...P],ae=async S=>await fe(e,{candidates:S,entries:t},i,f),he=J.filter(d),le=[...(await ae(Y)).filter(({id:S})=>P.some(X=>X.id===S)),...(he.length===0?[]:await ae([...Y,...he])).filter(({id:S})=>he.some(X=>X.id===S))],ke=new Set(le.filter(({keep:S})=>S).map(({id:S})=>S)),$e=t.filter(({id:S})=>ke.has(S)),Oe=a.filter(({id:S})=>ke.has(S));for(const S of J.filter(X=>!d(X))){const{id:X}=S;try{H(S,$e,de(S,i)),await(0,U.sd)(e,X,f,h)?$e.push(S):le.push({id:X,keep:!1,reasons:["its removal was begun"]})}catch(_){if(!(_ instanceof j.lZ))throw _;Oe.push({id:X,error:_}),$e.push(S)}}for(const S of x){if(H(S,$e,de(S,i)),await(0,U.sd)(e,S.id,f,h))throw T(S.id);le.push({id:S.id,keep:!1,reasons:["named by `delete`"]})}const ze=t.map(({id:S})=>S);return{decisions:le.filter(({id:S,keep:X})=>!X||!o.has(S)).toSorted((S,X)=>ze.indexOf(S.id)-ze.indexOf(X.id)),unfinished:Oe}}async function fe(e,{candidates:t,entries:o},a,i){const f={now:i.now(),published:a.published??a.expected?.id},h=k(t,a.retention,f).filter(({keep:d})=>!d),m=new Set;for(const{id:d}of h)await(0,U.sd)(e,d,i,a.signal)&&m.add(d);const y=new Map(o.map(d=>[d.id,d]));return k(t,a.retention,{...f,announced:m}).map(d=>{const x=y.get(d.id);if(d.keep||x===void 0)return d;const P=de(x,a);return P===void 0?d:{...d,keep:!0,reasons:[P]}})}function de({volumes:e,host:t},o){if(e.length!==0){if(o.volumes===void 0)return"its volume snapshot cannot be removed from here";for(const{driver:a}of e){const i=o.volumes.reasonNotRemovable(a,t);if(i!==void 0)return i}}}const ce=24*36e5;async function oe(e,t){const{signal:o,dryRun:a}=t,i=t.clock??K.m,f=a?void 0:await O(e,i,o),h=f===void 0?i:A(i,f),m=h.now(),y=[],d=a?await(0,re.Az)(e,o):await(0,r.Lq)(e,h,o);await E(e,d,t);const x=[...d.entries,...d.going].toSorted(N.Kd),P=x.filter(({id:_,pinned:xe})=>xe&&t.unpin?.includes(_)===!0),J=x.map(_=>P.includes(_)?{..._,pinned:!1}:_),Y=new Set(d.going.map(({id:_})=>_)),ae={entries:J,begun:Y,doubted:d.doubted},{decisions:he,unfinished:le}=await ue(e,ae,t,h),ke={clock:h,signal:o,signer:t.signer};a||await C(e,P,ke);const $e=(0,N.AQ)(J,m);$e!==void 0&&y.push($e),i.now()>m+N.QY&&y.push(`The clock of this host is ahead of the one of ${e.url}; the latter is gone by.`);const Oe=a?[]:he.filter(({keep:_})=>!_).map(({id:_})=>_),{removed:ze,failed:S}=await pe(e,Oe,ae,t,h),X=[...await v(e,h,t),...await $(e,m,t)];return{decisions:he,entries:J,removed:ze,unpinned:P.map(({id:_})=>_),notices:y,leftovers:X,refused:[...d.refused,...le,...S]}}async function pe(e,t,{entries:o,begun:a},i,f){const h=[],m=[],y=new Map;for(const d of t){const x=y.get(d),P=i.delete?.includes(d)===!0;if(x!==void 0){P&&m.push({id:d,error:V(d,x)});continue}try{if(await ye(e,d,a.has(d),i,f)){h.push(d);continue}P&&m.push({id:d,error:T(d)});for(const J of be(o,d))y.set(J,d)}catch(J){if((0,j.up)(J,"SNAPSHOT_NOT_FOUND"))continue;if(!(0,j.up)(J,ge))throw J;m.push({id:d,error:J})}}return{removed:h,failed:m}}function be(e,t){return(e.find(a=>a.id===t)?.volumes??[]).flatMap(({requires:a=[]})=>a)}const ge="VOLUME_STAYS";async function ye(e,t,o,a,i){const{signal:f,signer:h}=a,{volumes:m}=await(0,re.eY)(e,t,f);if(await(0,R.Z)(e,"deleted",t,{clock:i,signal:f,signer:h}),await(0,U.sd)(e,t,i,f))return o||(await e.delete((0,M.Z7)(t),f),await e.delete((0,M.yK)((0,M.Z7)(t)),f)),!1;await(0,r.Qj)(e,[],[t],i,f),await(0,r.Bn)(e,t,i,f);for(const y of m)await c(t,y,a);return await we(e,t,f),!0}async function we(e,t,o){await e.delete((0,M.Rn)(t),o);const a=await D(e,`${(0,M.H1)(t)}/`,o);for(const i of a.filter(f=>f!==(0,M.Z7)(t)))await e.delete(i,o);await e.delete((0,M.Z7)(t),o)}async function c(e,t,{volumes:o,signal:a}){try{await o?.remove(t)}catch(i){throw a.aborted?i:new j.lZ(ge,`The volume snapshot ${t.snapshot} of ${e} could not be removed (${(0,j.Uc)(i)}).`,{cause:i,hint:"The next prune tries again."})}}async function v(e,t,{signal:o,dryRun:a}){const i=t.now(),f=new Map;for await(const m of e.list(M.mT,o)){const y=m.key.split("/")[1]??"";f.set(y,[...f.get(y)??[],m])}const h=[];for(const[m,y]of f){const d=x=>y.some(P=>P.key===x);if(d((0,M.Rn)(m))){const x=y.filter(({key:P})=>P===(0,M.Eo)(m)||P.startsWith((0,M.db)(m)));for(const{key:P,modifiedAt:J}of x)!a&&b(J,i-ce)&&await e.delete(P,o)}else(d((0,M.Z7)(m))||y.every(x=>b(x.modifiedAt,i)))&&(a||await we(e,m,o),h.push(`${(0,M.H1)(m)}/`))}return h}async function $(e,t,o){const a=[];for await(const{token:i,startedAt:f}of e.listUploads(M.mT,o.signal))b(f,t)&&(o.dryRun||await e.abortUpload(i,o.signal),a.push(i.key));return a}const w="time.json";async function O(e,t,o){const a=Buffer.from(`${JSON.stringify({at:new Date(t.now()).toISOString()})}
`);await e.put(w,a,{contentType:"application/json",signal:o});const i=await e.head(w,o);return await e.delete(w,o),i?.modifiedAt?.getTime()}function A(e,t){const o=Math.max(0,e.now()-t);return{now:()=>e.now()-o,sleep:async(a,i)=>await e.sleep(a,i)}}function b(e,t){return e!==void 0&&t-e.getTime()>ce}async function D(e,t,o){const a=[];for await(const{key:i}of e.list(t,o))a.push(i);return a}var G=g(44702),te=g(99834),se=g(32365),Q=g(76633),Me=g(23161),Se=g(51699);async function n(e,t){const{dryRun:o,sudo:a,retention:i}=e,f={delete:e.delete,unpin:e.unpin};await(0,Se.aH)(t,e,async h=>{const m=await(0,se.uh)(t,e.signKey),y=await l(t,h,i,{sudo:a,dryRun:o,signer:m,...f}),x=o?"would be":y!==1?"were":"was";t.report.headline(`${o?"Dry run: ":""}${(0,G.B4)(y,"snapshot")} ${x} removed from ${h.url}.`)})}async function s(e,t,o,a){if(Object.keys(o).length!==0)try{await l(e,t,o,a)}catch(i){(0,j.Te)(e.signal),e.report.warning(`The snapshot is published, but older ones could not all be removed, which the next run tries again: ${(0,j.Uc)(i)}`)}}async function l(e,t,o,{sudo:a,dryRun:i=!1,published:f,delete:h=[],unpin:m=[],signer:y}){const{report:d,signal:x,clock:P}=e;return await d.phase("retention",i?"Decide what stays":"Keep what retention says",async()=>{const J=ve(e,t,a),ae=await oe(t,{retention:o,dryRun:i,signal:x,clock:P,volumes:J,...{delete:h,unpin:m,published:f,signer:y}});for(const le of m)d.fact(le,Z(ae.unpinned.includes(le),i));const he=ae.refused.find(({id:le})=>h.includes(le));if(u(e,{...ae,refused:ae.refused.filter(le=>le!==he)},i),i)return p(e,t,ae);if(d.output("pruned",JSON.stringify(ae.removed)),await(0,Me.K)(e,t),he!==void 0)throw he.error;return ae.removed.length})}function u({report:e},t,o){e.table("Retention",["snapshot","","why"],t.decisions.map(({id:a,keep:i,reasons:f})=>[a,i?"stays":"goes",f.join(", ")]));for(const a of t.leftovers)e.info(`Left by a dead run${o?"":", removed"}: ${a}`);for(const a of t.notices)e.warning(a);for(const{id:a,error:i}of t.refused)e.warning(`${a} is left alone: ${i.message}`)}function p(e,t,o){const a=z(o),{unpinned:i,leftovers:f}=o,h=[["Would remove",L(a)],["Left by dead runs",f.length===0?"nothing":f.join(", ")]];return(0,Q.N)(e,h,{command:"prune",storage:t.url,removes:a.ids,removesBytes:a.bytes,unpins:i,keeps:o.decisions.filter(({keep:m})=>m).map(({id:m,reasons:y})=>({id:m,reasons:y})),leftovers:f}),a.ids.length}function z({decisions:e,entries:t}){const o=e.filter(({keep:i})=>!i).map(({id:i})=>i),a=new Map(t.map(({id:i,archive:f})=>[i,f?.size??0]));return{ids:o,bytes:o.reduce((i,f)=>i+(a.get(f)??0),0)}}async function B(e,t,{retention:o,sudo:a},i){const{signal:f,clock:h}=e;if(Object.keys(o).length===0)return{ids:[],bytes:0};try{const m=ve(e,t,a);return z(await oe(t,{retention:o,dryRun:!0,signal:f,clock:h,volumes:m,expected:i}))}catch(m){(0,j.Te)(f),e.report.notice(`What retention would remove cannot be found out: ${(0,j.Uc)(m)}`);return}}function L(e){return e===void 0?"not known":e.ids.length===0?"nothing":`${e.ids.join(", ")} (${(0,te.z3)(e.bytes)})`}function Z(e,t){return e?t?"would no longer be pinned":"is no longer pinned":"was not pinned"}function ve(e,t,o){const{host:a,signal:i,volumes:f}=e;return{reasonNotRemovable:(h,m)=>f.isLocal(h)&&m!==a.hostName?`its ${h} snapshot is on ${m}: prune there`:void 0,async remove(h){const m={privilege:e.privilege(o),store:t};await f.snapshotter(h.driver,[],m).delete(h,i)}}}}),23161:((me,q,g)=>{g.d(q,{m:()=>Q,K:()=>Se});var j=g(68301),K=g(68970),N=g(77598),M=g(99834);class R{text;constructor(s){this.text=s}}function r(n,...s){const l=n.map((u,p)=>`${u}${re(s[p])}`);return new R(l.join(""))}function re(n){return n===void 0?"":n instanceof R?n.text:typeof n=="object"?n.map(re).join(""):E(String(n))}function E(n){return n.toWellFormed().replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g,"\uFFFD").replaceAll("&","&amp;").replaceAll("<","&lt;").replaceAll(">","&gt;").replaceAll('"',"&quot;").replaceAll("'","&#39;")}const H=`
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
`,V=`
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
`,T=1e3,C=100,U=864e5;function k(n,s){const l=[...s].sort((e,t)=>e.at-t.at),u=l[0],p=l.at(-1);if(u===void 0||p===void 0||u.at===p.at)return;const z=l.map(({at:e,height:t})=>({at:e,value:t})),B=l.flatMap(({at:e,sizeBytes:t})=>t===void 0?[]:[{at:e,value:t}]),L={from:u.at,to:p.at},Z=p.at-u.at>=4*U?4:1,ve=Array.from({length:Z+1},(e,t)=>W(L.from+(L.to-L.from)*t/Z));return r`<figure class="chart" aria-label="${n} from ${W(u.at)} to ${W(p.at)}">
${F("Stacks height",z,L,{format:ie,unit:1,fromZero:!1})}
${B.length<2?void 0:F("Size of the archive",B,L,{format:M.z3,unit:1024,fromZero:!0})}
<div class="axis" aria-hidden="true">${ve.map(e=>r`<span>${e}</span>`)}</div>
</figure>`}function F(n,s,l,u){const p=s.map(({value:d})=>d),z=p.reduce((d,x)=>Math.max(d,x),-1/0),B=p.reduce((d,x)=>Math.min(d,x),1/0),L=I(u.fromZero?0:B,z,u.unit),[Z=0]=L,ve=(L.at(-1)??1)-Z,e=({at:d})=>((d-l.from)/(l.to-l.from)*T).toFixed(1),t=d=>`${e(d)} ${(C-(d.value-Z)/ve*C).toFixed(1)}`,o=s.map(t).join("L"),[a={at:l.from,value:0}]=s,i=s.at(-1)??a,f=s.length>60?"":s.map(d=>`M${t(d)}h0`).join(""),h=L.map((d,x)=>`M0 ${x/(L.length-1)*C}H${T}`).join(""),m=u.fromZero?`M${o}V${C}H${e(a)}Z`:"",y=`${n}: from ${u.format(a.value)} to ${u.format(i.value)}, at most ${u.format(z)}`;return r`<div class="plot">
<p class="title">${n}</p>
<div class="scale" aria-hidden="true">${L.toReversed().map(d=>r`<span>${u.format(d)}</span>`)}</div>
<svg viewBox="0 0 ${T} ${C}" preserveAspectRatio="none" role="img" aria-label="${y}"><path class="grid" d="${h}"></path><path class="area" d="${m}"></path><path class="line" d="M${o}"></path><path class="dots" d="${f}"></path></svg>
</div>`}function I(n,s,l){const u=s-n||Math.max(1,s),p=l>1?l**Math.floor(Math.log(Math.max(u,1))/Math.log(l)):1,z=u/p/4,B=10**Math.floor(Math.log10(z)),L=p*B*([1,2,2.5,5,10].find(t=>t*B>=z)??10),Z=Math.max(1,Math.ceil(L)),e=[Math.floor(n/Z)*Z];for(;(e.at(-1)??0)<s||e.length<2;)e.push((e.at(-1)??0)+Z);return e}function ie(n){return Math.round(n).toLocaleString("en")}function W(n){return new Date(n).toISOString().slice(0,10)}const ee={files:"database files whole",A:"state has a tip",B:"header index at the state's tip",C:"highest header on its chain",D:"block store at the tip",E:"sortitions know the tip",F:"tries reach the tip",G:"burn headers reach the tip",H:"burn chain reaches the tip",integrity:"SQLite integrity",blobs:"every trie record"};function ne(n,s,l){const{archive:u,id:p,network:z}=n,B=[p,z,n.stacksHeight,n.nodeVersion??"",n.createdAt,n.profile];return r`
<li data-words="${B.join(" ").toLowerCase()}"><details${new R(l?" open":"")}>
<summary class="row"><span class="cell when">${ge(n.createdAt)}</span> <span class="cell chain">${z} <b>${c(n.stacksHeight)}</b></span> <span class="cell size">${ue(n)}</span> <span class="cell node">${n.nodeVersion??""}</span> <span class="cell verdict">${fe(n)}${n.pinned?r` <span class="pin">pinned</span>`:void 0}</span></summary>
<div class="more">
<p class="id">${p}</p>
<dl class="facts">${pe(n).map(([L,Z])=>r`<div><dt>${L}</dt><dd>${Z}</dd></div>`)}</dl>
${de(n.checks)}
${u===null?void 0:ce(u,s)}
${u===null?void 0:oe("Or restore with the action",(0,j.T2)(s,{id:p,network:z}))}
${n.volumes.length===0?void 0:oe("Restore from the volume snapshot",(0,j.T2)(s,{id:p,network:z,fromVolume:!0}),"Where the volume and its snapshot are; nothing is downloaded.")}
<p class="links">${u===null?void 0:r`<a href="${we(u.key)}">Archive</a> · `}<a href="${we(n.manifest)}">Manifest<span class="unseen"> of ${p}</span></a>${n.signedBy===void 0?void 0:r` · <a href="${we(`${n.manifest}.sig`)}">Signature<span class="unseen"> of ${p}</span></a>`}</p>
</div>
</details></li>`}function ue({archive:n,volumes:s}){if(n===null)return r`volume <span class="more-of">${s.map(({driver:u})=>u).join(", ")}</span>`;const l=n.reusedBytes===0?"sent whole":`${(0,M.z3)(n.uploadedBytes)} sent`;return r`${(0,M.z3)(n.size)} <span class="more-of">${l}${s.length===0?"":" + volume"}</span>`}function fe({checks:n,verified:s}){const l=n.filter(({result:z})=>z==="failed").map(({id:z})=>z);if(l.length>0)return r`<span class="bad">✗ failed: ${l.join(", ")}</span>`;const u=n.filter(({result:z})=>z==="passed").length,p={none:"not read back",checksum:"read back",database:"read back, databases too"}[s];return u===0?r`<span class="soft">not checked</span> <span class="more-of">${p}</span>`:r`<span class="good">✓ ${u===1?"1 check":`${u} checks`} passed</span> <span class="more-of">${p}</span>`}function de(n){if(n.length===0)return;const s=new Map([["passed",["good","\u2713","passed"]],["failed",["bad","\u2717","failed"]]]),l=n.map(({id:u,result:p})=>{const[z,B,L]=s.get(p)??["soft","\u2013","not made"],Z=Object.hasOwn(ee,u)?ee[u]:u;return r`<li><span class="${z}" aria-hidden="true">${B}</span> <span class="unseen">${L}: </span>${Z}</li>`});return r`<h3>Checks of the chainstate</h3>
<ul class="checks">${l}</ul>`}function ce({key:n,sha256:s},l){const{download:u,verify:p,unpack:z}=(0,j.Xm)({storage:l,key:n,hasSha256:s!==null}),B=(s===null?[n]:[n,`${n}.sha256`]).map(we),L=s===null?"Parts of it were copied on the store, so there is no digest of the whole; each part has a checksum of its own.":void 0;return r`${oe("1. Download with plain tools",u.join(`
`),void 0,B.join(" "))}
${oe("2. Verify",p.join(`
`),L)}
${oe("3. Unpack here",z.join(`
`))}`}function oe(n,s,l,u){const p=u===void 0?void 0:r` data-keys="${u}"`;return r`<h3>${n}</h3>
${l===void 0?void 0:r`<p class="note">${l}</p>`}<div class="code" data-title="${n}"><pre${p}>${s}</pre></div>`}function pe(n){const{archive:s,cut:l}=n;return[["Network",n.network],["Stacks height",c(n.stacksHeight)],["Bitcoin height",n.burnHeight===null?"not known":c(n.burnHeight)],["Node version",n.nodeVersion??"not known"],["Archive",s===null?void 0:r`${(0,M.z3)(s.size)} <span class="more-of">${c(s.size)} bytes</span>`],["Unpacked",s===null?void 0:(0,M.z3)(s.tarSize)],["Reused from the one before",s===null?void 0:be(s)],["In WALs of databases",s?.carriedWalBytes===void 0?void 0:(0,M.z3)(s.carriedWalBytes)],["Volume snapshots",n.volumes.map(({driver:p,snapshot:z})=>`${p}: ${z}`).join("; ")],["Node was down for",l.method==="live"?"never (live)":`${l.downtimeSeconds.toFixed(1)} s (${l.method})`],["Read back",{none:"no",checksum:"every digest",database:"every digest and the databases"}[n.verified]],["Profile",n.profile],["Pruned chainstate",n.pruned?"yes":void 0],["Pinned",n.pinned?"yes, retention keeps it":void 0],["SHA-256 of the archive",s?.sha256??void 0],["Signed with",n.signedBy]].filter(p=>p[1]!==void 0&&p[1]!=="")}function be({size:n,uploadedBytes:s,reusedBytes:l}){const u=n===0?0:Math.floor(l/n*1e3)/10;return l===0?"nothing":`${u} %, ${(0,M.z3)(s)} sent`}function ge(n){const s=new Date(n),l=Number.isNaN(s.getTime())?n:s.toISOString().slice(0,16).replace("T"," ");return r`<time datetime="${n}" data-age>${l}</time>`}function ye({createdAt:n}){return Date.parse(n)||0}function we(n){return`./${encodeURI(n.toWellFormed())}`}function c(n){return n.toLocaleString("en")}const v=6;function $({storage:n,entries:s}){const l=[...s].sort((p,z)=>ye(z)-ye(p));return r(Ee||(Ee=Ae([`<!doctype html>
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
`])),b(H),b(V),new R(H),n.url,l.length===0?w():O(l,n),new R(V)).text}function w(){return r`<section class="card nothing">
<h2>There is no snapshot here yet</h2>
<p>The first run of the action with <code>command: snapshot</code> and this storage publishes one, and writes this page anew. So does every later run.</p>
</section>`}function O(n,s){const l=[...new Set(n.map(({network:p})=>p))],u=l.length>v?[]:l;return r`${u.map(p=>A(p,n.filter(z=>z.network===p)))}
<section aria-labelledby="all">
<h2 id="all">${n.length===1?"The snapshot":`All ${c(n.length)} snapshots, newest first`}</h2>
<div class="list">
<div class="row columns" aria-hidden="true"><span></span><span>Taken (UTC)</span><span>Chain</span><span>Archive</span><span>Node</span><span>Checks</span></div>
<ol class="entries">${n.map((p,z)=>ne(p,s,z===0))}</ol>
</div>
</section>`}function A(n,s){const[l]=s;if(l===void 0)return r``;const{archive:u}=l,p=s.filter(B=>ye(B)>0).map(B=>({at:ye(B),height:B.stacksHeight,sizeBytes:B.archive?.size})),z=[["Stacks height",r`${c(l.stacksHeight)}`,l.burnHeight===null?void 0:`Bitcoin height ${c(l.burnHeight)}`],["Taken (UTC)",ge(l.createdAt),void 0],[u===null?"Kept as":"Archive",r`${u===null?"volume snapshot":(0,M.z3)(u.size)}`,u===null?l.volumes.map(({driver:B})=>B).join(", "):`${(0,M.z3)(u.tarSize)} unpacked`],["Checks",fe(l),void 0]];return r`<section class="card">
<h2>${n}, newest of ${s.length===1?"1 snapshot":`${c(s.length)} snapshots`}</h2>
<dl class="figures">${z.map(([B,L,Z])=>r`<div><dt>${B}</dt><dd>${L}${Z===void 0?void 0:r` <span class="more-of">${Z}</span>`}</dd></div>`)}</dl>
${k(n,p)}
</section>`}function b(n){return`sha256-${(0,N.createHash)("sha256").update(n).digest("base64")}`}var D=g(9688),G=g(28990),te=g(44231),se=g(41155);async function Q(n,s,l,u){const{report:p,signal:z,clock:B}=n;await p.phase("publish","Publish",async()=>{let L;try{const Z=ve=>{L=ve};await(0,D.mk)(s,l,z,B,{onWritten:Z,signer:u})}catch(Z){throw await Me(n,s,l,L),Z}await(0,se.t)(n,s,L??l),await Se(n,s)})}async function Me(n,s,l,u){const{id:p}=l;await(0,te.z)(n.report,`find out whether ${p} was published`,async z=>{u===void 0&&await s.head((0,K.Rn)(p),z)===void 0||(await(0,se.t)(n,s,u??l),n.report.warning(`${p} is in ${s.url} and can be restored; the catalogue may not list it before the next snapshot or prune.`))})}async function Se({report:n},s){const l={warning:u=>n.notice(u)};await(0,te.z)(l,"write the page of all snapshots, index.html",async u=>{const p=await(0,G.Cb)(s,u),z=$({storage:(0,j.$t)(s),entries:p});await s.put("index.html",Buffer.from(z),{contentType:"text/html; charset=utf-8",signal:u})})}}),76633:((me,q,g)=>{g.d(q,{N:()=>j});function j({report:K},N,M){K.table("Plan",["what","plan"],N),K.output("plan",JSON.stringify(M))}}),9357:((me,q,g)=>{g.d(q,{E:()=>j});function j(K,{archive:N,volume:M}){const R=N?.chosen?.freezer.name,r=R??M?.snapshotter.driver??"cold";return K.cut==="live"?{method:"live",freezer:r}:{method:R==="cold"||R===void 0&&(K.cut==="cold"||M?.isSlow===!0)?"cold":"frozen",freezer:r}}}),41155:((me,q,g)=>{g.d(q,{$:()=>V,t:()=>E});var j=g(77598),K=g(51455),N=g(76760),M=g(68301),R=g(66632),r=g(99834),re=g(9357);async function E(T,C,U){const{report:k,host:F}=T,{archive:I,chain:ie,cut:W,id:ee,volumes:ne}=U,ue=(0,N.join)(F.tempDir,`${ee}.manifest.json`),fe=`${JSON.stringify(U,void 0,2)}
`;if(await(0,K.writeFile)(ue,fe),k.output("snapshot-id",ee),k.output("manifest-url",C.urlOf(`snapshots/${ee}/manifest.json`)),k.output("manifest-path",ue),U.digest!==void 0&&k.output("manifest-digest",(0,j.createHash)("sha256").update(fe).digest("hex")),k.output("downtime-seconds",String(W.downtimeSeconds)),k.fact("Snapshot",ee),U.signedBy!==void 0&&k.fact("Signed with",U.signedBy),W.freezer===R.SW||k.fact("Cut",`${W.method}, frozen by ${W.freezer}, at ${W.at}`),I!==void 0){const ce=C.urlOf(I.key);k.output("archive-url",ce),k.output("size-bytes",String(I.size)),k.output("uploaded-bytes",String(I.uploadedBytes)),k.fact("Archive",`${I.files} files, ${(0,r.z3)(I.tarSize)} in ${(0,r.z3)(I.size)}`);const oe=I.reused?.frames??0,pe=(0,r.pR)(I.reused?.bytes??0,I.size);k.output("reused-frames",String(oe)),k.output("reused-percent",pe),I.reused!==void 0&&k.fact("Reused",`${oe} of ${I.frames} frames, ${pe} % of the bytes, from ${I.reused.from}`),H(T,I),k.link("Archive",ce),k.commands("Restore it by hand",Object.values((0,M.Xm)({storage:(0,M.$t)(C),key:I.key,hasSha256:I.sha256!==void 0})).flat())}ne.length>0&&(k.output("volume-snapshots",JSON.stringify(ne)),k.fact("Volume snapshot",ne.map(({driver:ce,snapshot:oe})=>`${ce} ${oe}`).join(", "))),k.headline(`Snapshot ${ee} at Stacks height ${ie.stacksHeight} is published.`)}function H({report:T},{databases:C=[],uploadedBytes:U}){T.fact("Sent",(0,r.z3)(U));const k=C.filter(W=>W.carried!==void 0);if(C.length===0)return;const F=C.length-k.length;if(k.length===0){T.fact("Databases",`${F} archived whole; the next snapshot can send what changes in them`);return}const I=k.reduce((W,ee)=>W+(ee.carried?.changedPages??0),0),ie=(0,r.z3)((0,R.IQ)(C));T.fact("Databases",`${I} changed pages of ${k.length} sent, ${F} archived whole; their WALs have ${ie}`)}function V({config:T,ctx:C},U,k,{checks:F,verified:I,proof:ie,confirmation:W,downtimeSeconds:ee}){const{node:ne}=U,{archive:ue,volumes:fe,cleanStop:de}=k;return{version:1,id:k.id,createdAt:new Date(C.clock.now()).toISOString(),kind:T.method,tool:C.host.tool,host:C.host.hostName,node:{manager:ne.control.identity.manager,name:ne.control.identity.name,versionLine:ne.version?.line??null,version:ne.version?.version??null,commit:ne.version?.commit??null},chain:k.facts,cleanStop:de===void 0?null:{...de,evidence:[...de.evidence]},checks:[...F],verified:I,...ie===void 0?{}:{proof:ie},...W===void 0?{}:{confirmation:W},cut:{...(0,re.E)(T,U),at:k.at.toISOString(),downtimeSeconds:ee},...ue===void 0?{}:{archive:ue.record},volumes:[...fe],profile:T.profile,excluded:[...T.exclude],...T.pin?{pinned:!0}:{}}}})};export{je as id,De as ids,Pe as modules};
