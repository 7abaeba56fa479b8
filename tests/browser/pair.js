// One RTCPeerConnection in a web page, without signalling: the test carries the descriptions to a leg of the library.
//
// It sends a tone and, if told to, a moving picture drawn on a canvas, and says what it receives. The test calls the
// functions of `window.pair` and reads what they return; nothing here knows the test.
'use strict';

const pair = (() => {
  let peer = null;
  let sound = null;

  // A picture that is never the same twice.
  function picture() {
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [320, 240];
    const pen = canvas.getContext('2d');
    let count = 0;
    setInterval(() => {
      count += 1;
      pen.fillStyle = `hsl(${(count * 7) % 360}, 80%, 50%)`;
      pen.fillRect(0, 0, 320, 240);
      pen.fillStyle = 'white';
      pen.font = '80px sans-serif';
      pen.fillText(String(count), 40, 150);
    }, 66);
    return canvas.captureStream(15);
  }

  async function complete(description) {
    await peer.setLocalDescription(description);
    while (peer.iceGatheringState !== 'complete') {
      await new Promise((resolve) => {
        peer.addEventListener('icegatheringstatechange', resolve, { once: true });
      });
    }
    return peer.localDescription.sdp;
  }

  const videos = () => peer.getTransceivers().filter((one) => one.receiver.track.kind === 'video' && !one.stopped);

  return {
    async start() {
      peer = new RTCPeerConnection();
      sound = new AudioContext();
      await sound.resume();
      const voice = sound.createOscillator();
      const out = sound.createMediaStreamDestination();
      voice.connect(out);
      voice.start();
      peer.addTrack(out.stream.getAudioTracks()[0], out.stream);
      peer.ontrack = ({ track }) => {
        const element = document.getElementById(track.kind === 'video' ? 'eye' : 'ear');
        element.srcObject = new MediaStream([track]);
      };
    },

    // Sends the picture from the next description on.
    addVideo() {
      const stream = picture();
      peer.addTrack(stream.getVideoTracks()[0], stream);
    },

    // Ends the section of the video for good.
    stopVideo() {
      for (const one of videos()) one.stop();
    },

    offer: async () => complete(await peer.createOffer()),

    async answer(sdp) {
      await peer.setRemoteDescription({ type: 'offer', sdp });
      return complete(await peer.createAnswer());
    },

    accept: (sdp) => peer.setRemoteDescription({ type: 'answer', sdp }),

    direction: () => videos().map((one) => one.currentDirection),

    // What has come and gone.
    async report() {
      const seen = { decoded: 0, encoded: 0, keyFramesEncoded: 0, pliReceived: 0, pliSent: 0, audioReceived: 0, nacksSent: 0, sentAgain: 0 };
      for (const one of (await peer.getStats()).values()) {
        if (one.type === 'inbound-rtp' && one.kind === 'video') {
          seen.decoded += one.framesDecoded;
          seen.pliSent += one.pliCount;
          seen.nacksSent += one.nackCount;
        } else if (one.type === 'inbound-rtp') {
          seen.audioReceived += one.packetsReceived;
        } else if (one.type === 'outbound-rtp' && one.kind === 'video') {
          seen.encoded += one.framesEncoded;
          seen.keyFramesEncoded += one.keyFramesEncoded;
          seen.pliReceived += one.pliCount;
          seen.sentAgain += one.retransmittedPacketsSent;
        } else if (one.type === 'remote-inbound-rtp' && one.kind === 'video') {
          seen.reported = one.packetsLost;
        }
      }
      const eye = document.getElementById('eye');
      return { ...seen, width: eye.videoWidth, height: eye.videoHeight, state: peer.connectionState };
    },
  };
})();

window.pair = pair;
