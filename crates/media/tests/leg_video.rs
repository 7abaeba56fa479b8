//! Video between two legs over loopback: pictures as they were sent, added, taken away and held, and losses healed.

mod leg_common;
mod video_support;

use ewebrtc_media::transport::{Direction, VideoCodec};
use ewebrtc_media::{
    AudioSink, AudioSource, FrameRefused, IvfRecorder, Leg, LegConfig, LegEvent, VideoFrameReader, VideoSink,
    VideoSource, pcm_sink,
};
use leg_common::{Party, Scratch, call, config, hear, negotiate, until};
use video_support::{Film, Wire, counter, frames_of, numbers_of, video_party};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_video_call_carries_every_picture_both_ways_as_it_is_in_the_file() {
    for file in ["counter.ivf", "counter-h264.ivf"] {
        let film = Film::open(file);
        let (mut a, seen_by_a) = video_party(Some(VideoSource::Ivf(counter(file)))).await;
        let (mut b, seen_by_b) = video_party(Some(VideoSource::Ivf(counter(file)))).await;
        for party in [&a, &b] {
            party.leg.set_video(Some(Direction::SendRecv));
        }
        call(&mut a, &mut b).await;
        for party in [&a, &b] {
            let video = party.leg.negotiated().and_then(|agreed| agreed.video).expect("video is agreed upon");
            assert_eq!((video.codec, video.direction), (VideoCodec::Vp8, Direction::SendRecv));
        }
        for (party, seen) in [(&mut a, &seen_by_a), (&mut b, &seen_by_b)] {
            let frames = frames_of(seen, 90).await;
            assert_eq!(frames[0].codec, film.codec);
            let numbers = numbers_of(&film, &frames);
            assert!(numbers.windows(2).all(|pair| pair[1] == (pair[0] + 1) % 75), "without a hole: {numbers:?}");
            let steps: Vec<u32> =
                frames.windows(2).map(|pair| pair[1].timestamp.wrapping_sub(pair[0].timestamp)).collect();
            assert!(steps.iter().all(|step| (5_980..6_020).contains(step)), "15 a second: {steps:?}");
            party.expect(&LegEvent::FirstVideo).await;
            let stats = party.leg.stats();
            assert!(stats.video.frames_sent >= 80 && stats.video.packets_sent > stats.video.frames_sent, "{stats:?}");
            assert!(stats.video.key_frames_sent >= 4 && stats.video.key_frames_received >= 4, "{stats:?}");
            assert_eq!((stats.video.packets_lost, stats.video.packets_refused), (0, 0), "{stats:?}");
            // A busy machine may lose or delay a packet in a socket.
            let missing = stats.packets_lost + stats.packets_late;
            assert!(missing <= stats.packets_received / 50, "the audio is not harmed: {stats:?}");
        }
        a.leg.close().await;
        b.leg.close().await;
        while let Ok(event) = a.events.try_recv() {
            assert_ne!(event, LegEvent::FirstVideo, "it comes once");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn video_is_added_taken_away_and_added_again_by_either_side_and_the_tone_goes_on() {
    let (sink, reader) = pcm_sink(48_000, 600_000);
    let film = Film::open("counter.ivf");
    let (mut a, seen_by_a) = video_party(Some(VideoSource::Ivf(counter("counter.ivf")))).await;
    a.leg.set_source(AudioSource::Tone { hz: 440.0 }).expect("a tone");
    let (writer, seen_by_b) = ewebrtc_media::video_channel();
    let mut b = Party::new(LegConfig {
        video_source: Some(VideoSource::Ivf(counter("counter.ivf"))),
        video_sink: VideoSink::Frames(writer),
        ..config(AudioSource::Silence, AudioSink::Pcm(sink))
    })
    .await;
    call(&mut a, &mut b).await;
    for party in [&a, &b] {
        assert_eq!(party.leg.negotiated().expect("agreed").video, None);
        assert_eq!(party.leg.stats().video, Default::default());
    }

    for (round, a_offers) in [true, false, true, false].into_iter().enumerate() {
        for party in [&a, &b] {
            party.leg.set_video(Some(Direction::SendRecv));
        }
        let (offerer, answerer) = if a_offers { (&a, &b) } else { (&b, &a) };
        negotiate(offerer, answerer).await;
        for (party, seen) in [(&a, &seen_by_a), (&b, &seen_by_b)] {
            let video = party.leg.negotiated().and_then(|agreed| agreed.video);
            assert_eq!(video.map(|video| video.direction), Some(Direction::SendRecv), "round {round}");
            while seen.try_read().is_some() {}
            numbers_of(&film, &frames_of(seen, 20).await);
        }
        // Away again: by an inactive section where only the offerer does not want it, by a refused one where neither does.
        let both = round % 2 == 1;
        offerer.leg.set_video(None);
        if both {
            answerer.leg.set_video(None);
        }
        negotiate(offerer, answerer).await;
        for party in [&a, &b] {
            let video = party.leg.negotiated().and_then(|agreed| agreed.video);
            assert!(video.is_none_or(|video| video.direction == Direction::Inactive), "round {round}: {video:?}");
            assert_eq!(video.is_none(), both, "round {round}");
        }
        let sent = [&a, &b].map(|party| party.leg.stats().video.packets_sent);
        let heard = [&a, &b].map(|party| party.leg.stats().packets_received);
        until("audio goes on", || {
            [&a, &b].iter().zip(heard).all(|(party, before)| party.leg.stats().packets_received > before + 20)
        })
        .await;
        assert_eq!([&a, &b].map(|party| party.leg.stats().video.packets_sent), sent, "no video leaves any more");
    }

    // The tone was there all the time, without a break.
    let tone = hear(&reader, reader.available()).await;
    let pieces: Vec<f32> = tone[9_600..]
        .chunks_exact(960)
        .map(|piece| (piece.iter().map(|s| f32::from(*s).powi(2)).sum::<f32>() / 960.0).sqrt())
        .collect();
    let quiet = pieces.iter().filter(|level| **level < 4_000.0).count();
    assert!(quiet * 50 <= pieces.len(), "{quiet} of {} pieces of 20 ms are quiet", pieces.len());
    for party in [&a, &b] {
        party.leg.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_wants_no_video_refuses_it_and_can_take_it_later() {
    let film = Film::open("counter.ivf");
    let (mut a, _seen_by_a) = video_party(Some(VideoSource::Ivf(counter("counter.ivf")))).await;
    let (mut b, seen_by_b) = video_party(None).await;
    a.leg.set_video(Some(Direction::SendRecv));
    let offer = a.leg.create_offer().await.expect("an offer");
    let answer = b.leg.answer_offer(&offer).await.expect("an answer");
    let refused = answer.split("m=video ").nth(1).expect("the section is answered");
    assert!(refused.starts_with("0 ") && refused.contains("a=inactive\r\n"), "{refused}");
    a.leg.apply_answer(&answer).await.expect("accepted");
    for party in [&mut a, &mut b] {
        party.expect(&LegEvent::FirstAudio).await;
        assert_eq!(party.leg.negotiated().expect("agreed").video, None);
        party.leg.activate();
    }
    assert_eq!(a.leg.stats().video.packets_sent, 0);

    // The section stays refused as long as nobody wants it, and comes back under a new name.
    a.leg.set_video(None);
    let offer = a.leg.create_offer().await.expect("an offer");
    assert!(offer.contains("m=video 0 "), "{offer}");
    let answer = b.leg.answer_offer(&offer).await.expect("an answer");
    a.leg.apply_answer(&answer).await.expect("accepted");

    b.leg.set_video(Some(Direction::RecvOnly));
    a.leg.set_video(Some(Direction::SendRecv));
    let offer = b.leg.create_offer().await.expect("an offer");
    assert_eq!(offer.matches("m=video").count(), 1, "{offer}");
    assert!(offer.contains("a=group:BUNDLE 0 2\r\n") && offer.contains("a=mid:2\r\n"), "{offer}");
    let answer = a.leg.answer_offer(&offer).await.expect("an answer");
    b.leg.apply_answer(&answer).await.expect("accepted");
    let direction = |party: &Party| party.leg.negotiated().and_then(|agreed| agreed.video).map(|v| v.direction);
    assert_eq!((direction(&a), direction(&b)), (Some(Direction::SendOnly), Some(Direction::RecvOnly)));
    numbers_of(&film, &frames_of(&seen_by_b, 10).await);
    assert_eq!(b.leg.stats().video.frames_sent, 0);
    a.leg.close().await;
    b.leg.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_held_video_call_sends_what_the_directions_say_and_begins_anew_when_it_is_resumed() {
    let film = Film::open("counter.ivf");
    let (mut a, seen_by_a) = video_party(Some(VideoSource::Ivf(counter("counter.ivf")))).await;
    let (mut b, seen_by_b) = video_party(Some(VideoSource::Ivf(counter("counter.ivf")))).await;
    for party in [&a, &b] {
        party.leg.set_video(Some(Direction::SendRecv));
    }
    call(&mut a, &mut b).await;
    use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
    // What A wants for audio and video, what B wants for video, and what comes of it, seen from A.
    for (audio, video, theirs, agreed) in [
        (SendOnly, SendOnly, SendRecv, SendOnly),
        (SendRecv, SendRecv, SendRecv, SendRecv),
        (Inactive, Inactive, SendRecv, Inactive),
        (SendRecv, RecvOnly, SendRecv, RecvOnly),
        (SendRecv, SendRecv, SendOnly, RecvOnly),
        (SendOnly, SendOnly, SendOnly, Inactive),
        (SendRecv, SendRecv, SendRecv, SendRecv),
    ] {
        a.leg.set_direction(audio);
        a.leg.set_video(Some(video));
        b.leg.set_video(Some(theirs));
        negotiate(&a, &b).await;
        let of = |party: &Party| {
            let agreed = party.leg.negotiated().expect("agreed");
            (agreed.audio.direction, agreed.video.map(|video| video.direction))
        };
        assert_eq!(of(&a), (audio, Some(agreed)));
        assert_eq!(of(&b), (audio.reversed(), Some(agreed.reversed())));
        for (seen, comes) in [(&seen_by_b, agreed.sends()), (&seen_by_a, agreed.receives())] {
            while seen.try_read().is_some() {}
            if comes {
                numbers_of(&film, &frames_of(seen, 5).await);
            }
        }
        let rests = [(&a, agreed.sends()), (&b, agreed.receives())].into_iter().filter(|(_, sends)| !sends);
        for (party, _) in rests {
            let before = party.leg.stats().video.packets_sent;
            let ticks = party.leg.stats().packets_received + party.leg.stats().packets_sent;
            until("some time passes", || {
                audio == Inactive || party.leg.stats().packets_received + party.leg.stats().packets_sent > ticks + 10
            })
            .await;
            assert_eq!(party.leg.stats().video.packets_sent, before);
        }
    }
    a.leg.close().await;
    b.leg.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_brings_its_pictures_and_is_told_when_a_key_frame_is_wanted() {
    let film = Film::open("counter.ivf");
    let (writer, reader) = ewebrtc_media::video_channel();
    let (mut a, _) = video_party(Some(VideoSource::Frames(reader))).await;
    let (mut b, seen) = video_party(None).await;
    a.leg.set_video(Some(Direction::SendOnly));
    b.leg.set_video(Some(Direction::RecvOnly));
    call(&mut a, &mut b).await;
    a.expect(&LegEvent::KeyFrameWanted).await;
    let write = |number: usize| {
        writer.write(film.frame(number, number as u32 * 6_000)).expect("taken");
    };
    for number in [5, 0, 1, 2] {
        write(number);
    }
    let frames = frames_of(&seen, 3).await;
    assert_eq!(numbers_of(&film, &frames), [0, 1, 2], "number 5 needs what was not sent");
    assert_eq!(frames[1].timestamp.wrapping_sub(frames[0].timestamp), 6_000);
    assert_eq!(a.leg.stats().video.frames_skipped, 1);

    b.leg.request_key_frame();
    a.expect(&LegEvent::KeyFrameWanted).await;
    assert_eq!((a.leg.stats().video.key_frame_requests, b.leg.stats().video.key_frames_requested), (1, 1));
    write(30);
    assert!(frames_of(&seen, 1).await[0].key);

    // Without a source nothing is sent, and a new one begins at once.
    a.leg.set_video_source(None).expect("no source");
    let closed = || writer.write(film.frame(31, 186_000)) == Err(FrameRefused::Closed);
    until("the program learns that nobody takes its pictures", closed).await;
    a.leg.set_video_source(Some(VideoSource::Ivf(counter("counter.ivf")))).expect("a file");
    assert_eq!(numbers_of(&film, &frames_of(&seen, 3).await), [0, 1, 2]);
    let missing = a.leg.set_video_source(Some(VideoSource::Ivf("/no/such.ivf".into())));
    assert!(missing.is_err_and(|error| error.to_string().contains("/no/such.ivf")));
    frames_of(&seen, 3).await;
    a.leg.close().await;
    b.leg.close().await;
}

/// One who sends the film, and one who sees it, with a wire to put between them.
async fn over_a_wire() -> (Wire, Party, Party, VideoFrameReader) {
    let (a, _) = video_party(Some(VideoSource::Ivf(counter("counter.ivf")))).await;
    let (b, seen) = video_party(None).await;
    a.leg.set_video(Some(Direction::SendOnly));
    b.leg.set_video(Some(Direction::RecvOnly));
    (Wire::new().await, a, b, seen)
}

/// One of twelve packets is lost on the way, and so is one of twelve that are sent again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_packets_are_sent_again_and_no_picture_is_missed() {
    let film = Film::open("counter.ivf");
    let (lossy, mut a, mut b, seen) = over_a_wire().await;
    lossy.call(&mut a, &mut b).await;
    assert!(b.leg.negotiated().and_then(|agreed| agreed.video).is_some_and(|video| video.repeats));
    let mut frames = frames_of(&seen, 5).await;
    let before = b.leg.stats().video;
    lossy.lose_every(12);
    until("packets are lost and come again", || {
        frames.extend(std::iter::from_fn(|| seen.try_read()));
        b.leg.stats().video.packets_recovered > 20
    })
    .await;
    // All of them for a while: what was sent meanwhile comes later.
    lossy.lose_every(1);
    let sent = a.leg.stats().video.frames_sent;
    until("pictures are sent in vain", || a.leg.stats().video.frames_sent > sent + 8).await;
    lossy.lose_every(0);
    let received = b.leg.stats().video.frames_received;
    until("pictures come again", || {
        frames.extend(std::iter::from_fn(|| seen.try_read()));
        b.leg.stats().video.frames_received > received + 30
    })
    .await;
    let numbers = numbers_of(&film, &frames);
    assert!(numbers.windows(2).all(|pair| pair[1] == (pair[0] + 1) % 75), "without a hole: {numbers:?}");
    let stats = b.leg.stats().video;
    assert_eq!((stats.packets_lost, stats.frames_dropped), (0, before.frames_dropped), "{stats:?}");
    assert_eq!(stats.key_frames_requested, before.key_frames_requested, "none was needed: {stats:?}");
    a.leg.close().await;
    b.leg.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loss_is_healed_by_a_key_frame_and_no_broken_picture_is_handed_on() {
    let film = Film::open("counter.ivf");
    let (lossy, mut a, mut b, seen) = over_a_wire().await;
    lossy.call_without_repeats(&mut a, &mut b).await;
    assert!(b.leg.negotiated().and_then(|agreed| agreed.video).is_some_and(|video| !video.repeats));
    let mut frames = frames_of(&seen, 5).await;
    lossy.lose_every(12);
    until("packets are lost", || {
        frames.extend(std::iter::from_fn(|| seen.try_read()));
        b.leg.stats().video.packets_lost > 20
    })
    .await;
    lossy.lose_every(0);
    let lost = b.leg.stats().video.frames_received;
    until("pictures come again", || {
        frames.extend(std::iter::from_fn(|| seen.try_read()));
        b.leg.stats().video.frames_received > lost + 30
    })
    .await;
    let numbers = numbers_of(&film, &frames);
    for (pair, frame) in numbers.windows(2).zip(&frames[1..]) {
        assert!(pair[1] == (pair[0] + 1) % 75 || frame.key, "behind a hole comes a key frame: {numbers:?}");
    }
    let (sender, receiver) = (a.leg.stats().video, b.leg.stats().video);
    assert!(receiver.key_frames_requested > 0 && sender.key_frame_requests > 0, "{sender:?} {receiver:?}");
    assert!(sender.key_frame_requests <= receiver.key_frames_requested);
    a.leg.close().await;
    b.leg.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_seen_is_recorded_from_the_activation_to_the_end() {
    let scratch = Scratch::new("seen.ivf");
    let film = Film::open("counter.ivf");
    let (mut a, _) = video_party(Some(VideoSource::Ivf(counter("counter.ivf")))).await;
    let recorder = IvfRecorder::create(&scratch.0).expect("writable");
    let mut b = Party::new(LegConfig {
        video_sink: VideoSink::Ivf(recorder),
        ..config(AudioSource::Silence, AudioSink::Discard)
    })
    .await;
    a.leg.set_video(Some(Direction::SendRecv));
    b.leg.set_video(Some(Direction::SendRecv));
    call(&mut a, &mut b).await;
    until("pictures", || b.leg.stats().video.frames_received >= 20).await;
    b.leg.close().await;
    let recorded = Film::read(&scratch.0);
    assert!(recorded.pictures.len() >= 20 && recorded.said == recorded.pictures.len(), "{}", recorded.said);
    assert!((0..20).all(|number| recorded.pictures[number] == film.pictures[number]));
    a.leg.close().await;
}

/// The recording is left to another call while this one is held, and the first picture of each is a key frame.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_calls_the_one_that_is_not_held_is_recorded() {
    let scratch = Scratch::new("beside.ivf");
    let recorder = IvfRecorder::create(&scratch.0).expect("writable");
    let mut parties = Vec::new();
    for _ in 0..2 {
        let (mut far, _) = video_party(Some(VideoSource::Ivf(counter("counter.ivf")))).await;
        let sink = VideoSink::Ivf(recorder.clone());
        let mut own =
            Party::new(LegConfig { video_sink: sink, ..config(AudioSource::Silence, AudioSink::Discard) }).await;
        far.leg.set_video(Some(Direction::SendRecv));
        own.leg.set_video(Some(Direction::SendRecv));
        call(&mut far, &mut own).await;
        until("pictures", || own.leg.stats().video.frames_received >= 20).await;
        own.leg.set_direction(Direction::SendOnly);
        own.leg.set_video(Some(Direction::SendOnly));
        negotiate(&own, &far).await;
        parties.extend([own, far]);
    }
    for party in parties {
        party.leg.close().await;
    }
    drop(recorder);
    let (film, recorded) = (Film::open("counter.ivf"), Film::read(&scratch.0));
    let places: Vec<usize> = recorded
        .pictures
        .iter()
        .map(|picture| film.pictures.iter().position(|shown| shown == picture).expect("a picture of the film"))
        .collect();
    // Where the film does not simply go on. On a busy machine it may begin at a later key frame than its first.
    let goes_on = |n: usize| n > 0 && places[n] == (places[n - 1] + 1) % film.pictures.len();
    let begins: Vec<usize> = (0..places.len()).filter(|n| !goes_on(*n)).collect();
    assert!(begins.len() == 2 && begins[1] >= 10 && places.len() >= begins[1] + 10, "{places:?}");
    // RFC 6386 section 9.1: the first bit of a key frame is 0.
    assert!(begins.iter().all(|n| recorded.pictures[*n][0] & 1 == 0), "{places:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_cannot_be_had_is_told_with_its_name_when_the_leg_is_made() {
    let scratch = Scratch::new("no.ivf");
    std::fs::write(&scratch.0, b"RIFF").expect("writable");
    let source = Some(VideoSource::Ivf(scratch.0.clone()));
    let config = LegConfig { video_source: source, ..config(AudioSource::Silence, AudioSink::Discard) };
    let error = Leg::new(config, |_| {}).await.err().expect("refused").to_string();
    assert!(error.contains(&scratch.0.display().to_string()), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_party_gets_video_of_its_own_and_the_present_one_keeps_it_when_the_other_does_not_come() {
    let film = Film::open("counter.ivf");
    let source = || Some(VideoSource::Ivf(counter("counter.ivf")));
    let (mut a, seen_by_a) = video_party(source()).await;
    let (mut b, seen_by_b) = video_party(source()).await;
    let (mut c, seen_by_c) = video_party(source()).await;
    for party in [&a, &b, &c] {
        party.leg.set_video(Some(Direction::SendRecv));
    }
    call(&mut a, &mut b).await;
    numbers_of(&film, &frames_of(&seen_by_b, 3).await);

    // Nobody answers the offer to another one.
    a.leg.create_offer_for_another().await.expect("an offer");
    while seen_by_b.try_read().is_some() {}
    numbers_of(&film, &frames_of(&seen_by_b, 5).await);
    a.leg.keep_party().await.expect("as before");
    let video = a.leg.negotiated().and_then(|agreed| agreed.video).expect("as before");
    assert_eq!(video.direction, Direction::SendRecv);
    negotiate(&a, &b).await;
    numbers_of(&film, &frames_of(&seen_by_b, 5).await);

    let offer = a.leg.create_offer_for_another().await.expect("an offer");
    let answer = c.leg.answer_offer(&offer).await.expect("an answer");
    c.leg.activate();
    a.leg.apply_answer(&answer).await.expect("applied");
    c.expect(&LegEvent::FirstAudio).await;
    let frames = frames_of(&seen_by_c, 10).await;
    assert!(frames[0].key);
    numbers_of(&film, &frames);
    // What A had from B is over; then it sees C from a key frame on.
    until("A sees C", || c.leg.stats().video.frames_sent > 20).await;
    while seen_by_a.try_read().is_some() {}
    numbers_of(&film, &frames_of(&seen_by_a, 5).await);
    for party in [&a, &b, &c] {
        party.leg.close().await;
    }
}
