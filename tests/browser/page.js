// A small client of the REST protocol in a web page: fetch, long poll and RTCPeerConnection, no extension of ours.
//
// It behaves as an original client does (rest-protocol.md sections 2, 3 and 5): ids are taken from Location and
// resourceURL by position, one poll is outstanding at any time, the SDP is sent once with all its candidates, events are
// looked up by call id, and every surprise that would break an original client is noted in `problems`.
// The test calls the functions of `window.client` and reads what they return; nothing here knows the test.
'use strict';

const client = (() => {
  let base = null;
  let token = null;
  let sessionId = null;
  let tone = null;
  let audio = null;
  let analyser = null;
  // {id, peer, state, connection, offer, media, picture, asked}: one call at a time is all that is needed here.
  // picture: the own moving picture while it is sent; asked: {modId, operation} while the user is to decide.
  let call = null;
  const events = []; // what happened, in order: {name, detail}
  const problems = []; // what an original client would have stumbled over
  const waiting = []; // {name, resolve}

  function note(name, detail = {}) {
    events.push({ name, detail });
    for (let i = waiting.length - 1; i >= 0; i -= 1) {
      if (waiting[i].name === name) waiting.splice(i, 1)[0].resolve(detail);
    }
  }

  // Resolves with the detail of the first event of this name from index `since` on, however late or early it is asked.
  function seen(name, since, milliseconds) {
    const past = events.slice(since).find((event) => event.name === name);
    if (past) return Promise.resolve(past.detail);
    return new Promise((resolve, reject) => {
      const entry = { name, resolve };
      waiting.push(entry);
      setTimeout(() => {
        const place = waiting.indexOf(entry);
        if (place < 0) return;
        waiting.splice(place, 1);
        reject(new Error(`no ${name} within ${milliseconds} ms; seen: ${JSON.stringify(events)}; ${JSON.stringify(problems)}`));
      }, milliseconds);
    });
  }

  async function send(method, path, { headers = {}, body, bare = false } = {}) {
    const all = { Accept: 'application/json', Authorization: `Bearer ${token}`, ...headers };
    if (!bare) all['Content-Type'] = 'application/json';
    const response = await fetch(base + path, {
      method,
      headers: all,
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    if (response.status >= 400) {
      throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    }
    return response;
  }

  function location(response, position) {
    const value = response.headers.get('Location');
    if (value === null) throw new Error('Location is missing or not exposed to the page');
    if (!value.startsWith('/')) problems.push(`Location is not path-absolute: ${value}`);
    return value.split('/')[position];
  }

  // Own voice: a steady tone, as a track of an audio graph, so that no microphone and no permission is needed.
  function voice() {
    const oscillator = audio.createOscillator();
    oscillator.frequency.value = tone;
    const gain = audio.createGain();
    gain.gain.value = 0.3;
    const out = audio.createMediaStreamDestination();
    oscillator.connect(gain).connect(out);
    oscillator.start();
    return out.stream;
  }

  // Own picture: a canvas whose colour and bar never stand still, so that no camera and no permission is needed.
  function picture() {
    const canvas = document.createElement('canvas');
    canvas.width = 320;
    canvas.height = 240;
    const paper = canvas.getContext('2d');
    let n = 0;
    const draw = () => {
      n += 1;
      paper.fillStyle = `hsl(${n % 360} 80% 50%)`;
      paper.fillRect(0, 0, canvas.width, canvas.height);
      paper.fillStyle = 'white';
      paper.fillRect((n * 5) % canvas.width, 0, 20, canvas.height);
    };
    draw();
    const timer = setInterval(draw, 40);
    const track = canvas.captureStream(25).getVideoTracks()[0];
    return { track, stop() { clearInterval(timer); track.stop(); } };
  }

  // Begins to send the own picture: in the section that is there, or in a new one.
  function show() {
    call.picture = picture();
    const present = call.connection.getTransceivers().find((t) => t.receiver.track.kind === 'video');
    if (present) {
      present.direction = 'sendrecv';
      return present.sender.replaceTrack(call.picture.track);
    }
    call.connection.addTrack(call.picture.track, new MediaStream([call.picture.track]));
    return Promise.resolve();
  }

  // Ends it; `direction` is what is left of the section.
  async function hide(direction) {
    const present = call.connection.getTransceivers().find((t) => t.receiver.track.kind === 'video');
    if (present) {
      await present.sender.replaceTrack(null);
      present.direction = direction;
    }
    if (call.picture) call.picture.stop();
    call.picture = null;
  }

  function connection() {
    const peer = new RTCPeerConnection();
    const stream = voice();
    for (const track of stream.getTracks()) peer.addTrack(track, stream);
    peer.ontrack = ({ track }) => {
      if (track.kind === 'video') {
        document.getElementById('eye').srcObject = new MediaStream([track]);
        return;
      }
      const heard = new MediaStream([track]);
      // Chromium feeds a remote stream into an audio graph only while some element plays it.
      document.getElementById('ear').srcObject = heard;
      analyser = audio.createAnalyser();
      analyser.fftSize = 16384;
      analyser.smoothingTimeConstant = 0;
      audio.createMediaStreamSource(heard).connect(analyser);
    };
    return peer;
  }

  // Half trickle: the description goes out once, with every candidate inside.
  async function complete(peer, description) {
    await peer.setLocalDescription(description);
    while (peer.iceGatheringState !== 'complete') {
      await new Promise((resolve) => {
        peer.addEventListener('icegatheringstatechange', resolve, { once: true });
      });
    }
    const sdp = peer.localDescription.sdp;
    if (/^a=candidate:.*\.local /m.test(sdp)) problems.push('the browser hides its addresses behind mDNS names');
    return sdp;
  }

  const withoutSources = (sdp) => sdp.replace(/^a=ssrc.*\r\n/gm, '');

  async function apply(type, sdp) {
    try {
      await call.connection.setRemoteDescription({ type, sdp: withoutSources(sdp) });
    } catch (error) {
      problems.push(`the ${type} of the other side is refused: ${error}`);
    }
  }

  // Directions of the audio and the video section, by their order; a rejected section has none.
  function directions(sdp) {
    return sdp.split(/^m=/m).slice(1).map((section) => {
      if (/^\w+ 0 /.test(section)) return 'rejected';
      const match = /^a=(sendrecv|sendonly|recvonly|inactive)\r?$/m.exec(section);
      return match ? match[1] : 'sendrecv';
    });
  }

  const mediaOf = ([audio, video]) => (audio === 'sendrecv' && video === 'sendrecv' ? 'video' : 'audio');

  const modify = (action, sdp, headers = {}) => send('PUT', `/sessions/${sessionId}/calls/${call.id}`, {
    headers: { 'x-calls-action': action, ...headers },
    body: { callsMediaModifications: { sdp } },
  });

  // Offers what the connection now has.
  async function offerAgain(media) {
    call.media = media;
    const response = await modify('initiate-call-mod', await complete(call.connection, await call.connection.createOffer()));
    if (response.status !== 204) problems.push(`a modification is answered with ${response.status}`);
  }

  async function answerAgain(modId) {
    const sdp = await complete(call.connection, await call.connection.createAnswer());
    await modify('accept-call-mod', sdp, { 'x-modId': modId });
  }

  async function modReceived({ modId, sdp }) {
    const [audio, video] = directions(sdp);
    await apply('offer', sdp);
    let operation = null;
    if (call.media === 'audio' && audio === 'sendrecv' && video === 'sendrecv') operation = 'upgrade';
    if (call.media === 'video' && audio === 'sendrecv' && video === 'recvonly') operation = 'downgrade';
    if (operation) {
      call.asked = { modId, operation };
      note('asked', { operation });
    } else {
      await answerAgain(modId);
      note('answered', { audio, video });
    }
  }

  function end(reason) {
    if (call.picture) call.picture.stop();
    if (call.connection) call.connection.close();
    const { state } = call;
    call = null;
    analyser = null;
    note('terminated', { reason, state });
  }

  async function handle(event) {
    for (const [name, value] of Object.entries(event)) {
      if (value === null) problems.push(`member ${name} is null in ${event.state}`);
    }
    if (!['calls', 'conferences'].includes(event.type)) problems.push(`event of type ${event.type}`);
    const parts = event.resourceURL.split('/');
    const id = parts[6];
    if (parts[4] !== sessionId) problems.push(`event for session ${parts[4]}`);
    if (event.state === 'invitation-received') {
      if (call) problems.push('an invitation during a call');
      call = {
        id,
        kind: event.type,
        peer: event.from,
        state: 'created',
        connection: null,
        offer: event.sdp,
        media: mediaOf(directions(event.sdp)),
      };
      note('incoming', { from: event.from, media: call.media });
      return;
    }
    if (!call || call.id !== id) {
      problems.push(`${event.state} for a call nobody knows`);
      return;
    }
    switch (event.state) {
      case 'session-open':
        if (call.state !== 'connecting') problems.push(`session-open in state ${call.state}`);
        if (event.sdp && call.answered) problems.push('a second answer');
        if (event.provisionalSDP) {
          // Early media: this is the answer (section 3.3.2).
          call.answered = true;
          await apply('answer', event.sdp);
          note('ringback', {});
          break;
        }
        call.state = 'connected';
        if (event.sdp) {
          await apply('answer', event.sdp);
          call.media = mediaOf(directions(event.sdp));
        }
        note('connected', { media: call.media });
        break;
      case 'session-modified':
        if (call.state !== 'connecting') problems.push(`session-modified in state ${call.state}`);
        if (event.sdp) problems.push('session-modified carries an SDP though the answer was ours');
        call.state = 'connected';
        note('connected', {});
        break;
      case 'mod-received':
        await modReceived(event);
        break;
      case 'mod-terminated':
        if (event.reason !== 'success') problems.push(`mod-terminated: ${event.reason}`);
        if (event.sdp) await apply('answer', event.sdp);
        note('modified', { directions: event.sdp ? directions(event.sdp) : null });
        break;
      case 'session-terminated':
        end(event.reason);
        break;
      default:
        problems.push(`event ${event.state}`);
    }
  }

  async function poll() {
    let budget = 2000;
    while (sessionId) {
      try {
        const response = await send('GET', `/sessions/${sessionId}/events`, { bare: true });
        if (response.status !== 200) continue;
        const { events: body } = await response.json();
        if (!body) continue;
        for (const { eventObject } of body.eventList) await handle(eventObject);
      } catch (error) {
        if (!sessionId) return;
        problems.push(`poll: ${error}`);
        budget *= 2;
        if (budget > 300000) return;
      }
    }
  }

  return {
    async login(gateway, accessToken, ownTone) {
      base = `${gateway}/RTC/v1`;
      token = accessToken;
      tone = ownTone;
      audio = new AudioContext();
      await audio.resume();
      const response = await send('POST', '/sessions', {
        headers: { 'x-e911Id': '', 'x-Arg': 'ClientSDK=WebRTCTestAppJavascript1' },
        body: { session: { mediaType: 'dtls-srtp', ice: 'true', services: ['ip_voice_call', 'ip_video_call'] } },
      });
      sessionId = location(response, 4);
      const expires = Number(response.headers.get('x-expires'));
      if (!(expires > 60)) problems.push(`x-expires is ${expires}`);
      poll();
      return sessionId;
    },

    async dial(address, media = 'audio') {
      call = { id: null, kind: 'calls', peer: address, state: 'created', connection: connection(), offer: null, media };
      if (media === 'video') await show();
      const sdp = await complete(call.connection, await call.connection.createOffer());
      const response = await send('POST', `/sessions/${sessionId}/calls`, {
        body: { call: { calledParty: `sip:${address}`, sdp } },
      });
      call.id = location(response, 6);
      call.state = 'connecting';
      return call.id;
    },

    // Answers a call, or joins a conference.
    async answer() {
      call.connection = connection();
      await apply('offer', call.offer);
      if (call.media === 'video') await show();
      const sdp = await complete(call.connection, await call.connection.createAnswer());
      const joins = call.kind === 'conferences';
      await send('PUT', `/sessions/${sessionId}/${call.kind}/${call.id}`, {
        headers: { [joins ? 'x-conference-action' : 'x-calls-action']: 'call-answer' },
        body: { [joins ? 'conferenceModifications' : 'callsMediaModifications']: { sdp } },
      });
      // The gateway confirms an answer only after this response; a confirmation before it would lose the call.
      call.state = 'connecting';
      return call.id;
    },

    // Presses keys; resolves with those that the browser said it played, when the last one is over.
    press(keys, duration, gap) {
      const { dtmf } = call.connection.getSenders()[0];
      return new Promise((resolve) => {
        let played = '';
        dtmf.ontonechange = ({ tone: key }) => {
          played += key;
          if (key === '') resolve(played);
        };
        dtmf.insertDTMF(keys, duration, gap);
      });
    },

    async upgrade() {
      await show();
      await offerAgain('video');
    },

    async downgrade() {
      await hide('recvonly');
      await offerAgain('audio');
    },

    async accept() {
      const { modId, operation } = call.asked;
      call.asked = null;
      if (operation === 'upgrade') await show(); else await hide('inactive');
      call.media = operation === 'upgrade' ? 'video' : 'audio';
      await answerAgain(modId);
    },

    // Original clients answer with what they have: recvonly to an upgrade, sendonly to a downgrade.
    async reject() {
      const { modId, operation } = call.asked;
      call.asked = null;
      // A section that was taken away before is inactive until somebody says otherwise.
      if (operation === 'upgrade') await hide('recvonly');
      await answerAgain(modId);
    },

    // Another path to the same party: the connection stays, its ICE credentials are new.
    async restart() {
      call.connection.restartIce();
      await offerAgain(call.media);
    },

    // The credentials of both sides, and how often the path has changed.
    async path() {
      const fragment = ({ sdp }) => sdp.match(/^a=ice-ufrag:(\S+)/m)[1];
      const { localDescription, remoteDescription } = call.connection;
      let changes = 0;
      for (const entry of (await call.connection.getStats()).values()) {
        if (entry.type === 'transport') changes = entry.selectedCandidatePairChanges;
      }
      return { own: fragment(localDescription), theirs: fragment(remoteDescription), changes };
    },

    async hangup() {
      call.state = 'disconnecting';
      await send('DELETE', `/sessions/${sessionId}/${call.kind}/${call.id}`, {
        headers: { 'x-delete-reason': 'terminate' },
      });
    },

    async logout() {
      const ending = sessionId;
      sessionId = null;
      await send('DELETE', `/sessions/${ending}`, { headers: { 'x-e911Id': 'undefined' } });
      await audio.close();
    },

    // The strongest frequency of what is heard now: {hz, level, clear}; level in dBFS of that frequency, clear = how far
    // it stands above the strongest other one (beyond 100 Hz on each side), in dB. null while nothing is received.
    hear() {
      if (!analyser) return null;
      const power = new Float32Array(analyser.frequencyBinCount);
      analyser.getFloatFrequencyData(power);
      const width = audio.sampleRate / analyser.fftSize;
      let best = 1;
      for (let i = 1; i < power.length - 1; i += 1) if (power[i] > power[best]) best = i;
      if (!Number.isFinite(power[best])) return null;
      const apart = Math.ceil(100 / width);
      let other = -200;
      for (let i = 0; i < power.length; i += 1) {
        if (Math.abs(i - best) > apart && power[i] > other) other = power[i];
      }
      // The peak lies between bins: a parabola through three of them finds it.
      const [a, b, c] = [power[best - 1], power[best], power[best + 1]];
      const shift = Number.isFinite(a) && Number.isFinite(c) && a - 2 * b + c !== 0 ? (a - c) / (2 * (a - 2 * b + c)) : 0;
      return { hz: (best + shift) * width, level: b, clear: b - other };
    },

    // How loud each of these frequencies is, in dBFS.
    levels(...tones) {
      if (!analyser) return tones.map(() => -200);
      const power = new Float32Array(analyser.frequencyBinCount);
      analyser.getFloatFrequencyData(power);
      const width = audio.sampleRate / analyser.fftSize;
      return tones.map((hz) => Math.max(-200, ...power.slice(Math.floor((hz - 15) / width), Math.ceil((hz + 15) / width))));
    },

    // Figures of the video of now: {decoded, keys, width, height, wanted, asked}; wanted and asked are the key frames that
    // this side wanted of the other, and the other of this side.
    async see() {
      const figures = { decoded: 0, keys: 0, width: 0, height: 0, sent: 0, wanted: 0, asked: 0 };
      if (!call) return figures;
      for (const entry of (await call.connection.getStats()).values()) {
        if (entry.kind !== 'video') continue;
        if (entry.type === 'inbound-rtp') {
          figures.decoded += entry.framesDecoded;
          figures.keys += entry.keyFramesDecoded;
          figures.width = entry.frameWidth;
          figures.height = entry.frameHeight;
          figures.wanted += entry.pliCount + (entry.firCount || 0);
        }
        if (entry.type === 'outbound-rtp') {
          figures.sent += entry.framesEncoded;
          figures.asked += entry.pliCount + (entry.firCount || 0);
        }
      }
      return figures;
    },

    seen,
    count: () => events.length,
    problems: () => problems,
    peer: () => (call ? call.peer : null),
  };
})();

window.client = client;
