//! Tests of the player.

use std::path::Path;

use super::super::{VideoSource, video_channel};
use super::*;
use crate::transport::VideoCodec;

fn counter() -> VideoFeed {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/counter.ivf");
    VideoFeed::open(&VideoSource::Ivf(path)).expect("a good file")
}

/// Waits for the picture that is due at `now`.
async fn due(player: &mut Player, wake: &Notify, now: Instant) -> VideoFrame {
    let wait = async {
        loop {
            if let Some(frame) = player.next(now, &mut 0).expect("readable") {
                return frame;
            }
            wake.notified().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.expect("in time")
}

#[tokio::test]
async fn a_file_repeats_in_its_own_time_and_jumps_to_a_key_frame_when_asked() {
    let VideoFeed::Ivf(input) = counter() else { panic!("a file") };
    let picture = |number: usize| input.read(number).expect("readable");
    let (wake, start) = (Arc::new(Notify::new()), Instant::now());
    let mut player = Player::new(1, wake.clone(), u32::MAX - 5, start);
    assert_eq!(player.start(start), KeyFrame::No, "there is no source");
    player.set_feed(Some(counter()));
    assert_eq!(player.start(start), KeyFrame::Comes);
    let mut stamps = Vec::new();
    for number in 0..80u32 {
        let now = start + Duration::from_millis(1) + Duration::from_secs(number.into()) / 15;
        let early = now - Duration::from_millis(2);
        assert!(player.next(early, &mut 0).expect("readable").is_none(), "not before its time");
        let frame = due(&mut player, &wake, now).await;
        assert_eq!(frame.data, picture(number as usize % 75), "{number}");
        stamps.push(frame.timestamp);
    }
    assert!(stamps.windows(2).all(|pair| (5_990..6_010).contains(&pair[1].wrapping_sub(pair[0]))), "{stamps:?}");

    // Picture 5 of the second round is next: the next key frame is number 30, then it goes on from there.
    let now = start + Duration::from_millis(5_340);
    assert_eq!(player.key_frame(now), KeyFrame::Comes);
    assert_eq!(player.key_frame(now + Duration::from_millis(50)), KeyFrame::No, "it was just asked for");
    let frame = due(&mut player, &wake, now).await;
    assert!(frame.key);
    assert_eq!(frame.data, picture(30));
    let now = now + Duration::from_millis(67);
    assert_eq!(due(&mut player, &wake, now).await.data, picture(31));

    // Behind the last key frame the first one comes.
    for number in 32..62 {
        let now = now + Duration::from_millis(67) * (number - 31);
        assert_eq!(due(&mut player, &wake, now).await.data, picture(number as usize));
    }
    let now = now + Duration::from_secs(3);
    assert_eq!(player.key_frame(now), KeyFrame::Comes);
    assert_eq!(due(&mut player, &wake, now).await.data, picture(0));

    // Stopped and begun again, it begins anew, and time stamps run on.
    let last = player.last.expect("sent");
    player.stop();
    assert!(!player.is_running());
    player.start(now + Duration::from_secs(1));
    let frame = due(&mut player, &wake, now + Duration::from_secs(1)).await;
    assert_eq!(frame.data, picture(0));
    assert_eq!(frame.timestamp.wrapping_sub(last), 90_000);
}

#[tokio::test]
async fn pictures_of_the_program_go_out_from_a_key_frame_on_with_the_programs_steps_of_time() {
    let (writer, reader) = video_channel();
    let (wake, start) = (Arc::new(Notify::new()), Instant::now());
    let write = |key: bool, timestamp: u32| {
        writer.write(VideoFrame { codec: VideoCodec::Vp8, timestamp, key, data: vec![1; 5].into() }).expect("taken");
    };
    for (key, timestamp) in [(true, 1), (false, 2), (true, 3), (false, 4)] {
        write(key, timestamp);
    }
    let mut player = Player::new(1, wake.clone(), 1_000, start);
    player.set_feed(Some(VideoFeed::Frames(reader)));
    assert_eq!(player.start(start), KeyFrame::IsForTheProgram);
    let mut skipped = 0;
    let mut next = |player: &mut Player| player.next(start, &mut skipped).expect("no file");
    let stamps = |frame: Option<VideoFrame>| frame.map(|frame| (frame.key, frame.timestamp));
    assert_eq!(stamps(next(&mut player)), Some((true, 1_000)), "what was before the last key frame is too old");
    assert_eq!(stamps(next(&mut player)), Some((false, 1_001)));
    assert_eq!(stamps(next(&mut player)), None);
    write(false, 6_004);
    tokio::time::timeout(Duration::from_secs(5), wake.notified()).await.expect("writing wakes");
    assert_eq!(stamps(next(&mut player)), Some((false, 7_001)));
    assert_eq!(player.key_frame(start), KeyFrame::IsForTheProgram);
    player.needs_key();
    write(false, 9_000);
    write(true, 12_000);
    write(true, 12_000);
    assert_eq!(stamps(next(&mut player)), Some((true, 12_997)));
    assert_eq!(stamps(next(&mut player)), Some((true, 12_998)), "no two pictures have one time stamp");
    assert_eq!(skipped, 1);
}
