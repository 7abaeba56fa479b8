//! Tests of the assembler.

use proptest::prelude::*;

use super::*;

/// A stream of pictures and the packets that they were cut into.
struct Stream {
    pictures: Vec<VideoFrame>,
    packets: Vec<RtpPacket>,
}

const BEGIN: u16 = u16::MAX - 20;

/// Pictures of so many bytes each; every `every`-th one is a key frame.
fn stream(codec: VideoCodec, sizes: &[usize], every: usize) -> Stream {
    let mut stream = Stream { pictures: Vec::new(), packets: Vec::new() };
    let mut sequence = BEGIN;
    for (number, size) in sizes.iter().enumerate() {
        let key = number % every == 0;
        let fill = |count: usize| (0..count).map(move |at| (at % 200 + number % 50 + 2) as u8);
        let data: Vec<u8> = match codec {
            VideoCodec::Vp8 => std::iter::once(u8::from(!key)).chain(fill(*size)).collect(),
            VideoCodec::H264 => {
                let unit = if key { vec![0, 0, 0, 1, 0x67, 9, 0, 0, 0, 1, 0x65] } else { vec![0, 0, 0, 1, 0x61] };
                unit.into_iter().chain(fill(*size)).collect()
            }
        };
        let frame = VideoFrame::new(codec, number as u32 * 3_000, data);
        assert_eq!(frame.key, key);
        let payloads = payload::packets(&frame, number as u16);
        for (place, payload) in payloads.iter().enumerate() {
            stream.packets.push(RtpPacket {
                payload_type: 96,
                marker: place + 1 == payloads.len(),
                sequence,
                timestamp: frame.timestamp,
                ssrc: 5,
                payload: payload.clone(),
            });
            sequence = sequence.wrapping_add(1);
        }
        stream.pictures.push(frame);
    }
    stream
}

fn all(assembler: &mut Assembler, now: Instant) -> Vec<VideoFrame> {
    std::iter::from_fn(|| assembler.next_picture(now)).collect()
}

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

#[test]
fn pictures_come_out_as_they_went_in_also_when_packets_overtake_each_other() {
    for codec in [VideoCodec::Vp8, VideoCodec::H264] {
        let mut stream = stream(codec, &[5_000, 100, 3_000, 20, 2_300], 5);
        for pair in stream.packets.chunks_exact_mut(3).skip(1) {
            pair.swap(0, 2);
        }
        let (mut assembler, now) = (Assembler::new(), Instant::now());
        let mut frames = Vec::new();
        for packet in stream.packets {
            assembler.push(codec, packet.clone(), now);
            assembler.push(codec, packet, now);
            frames.extend(all(&mut assembler, now));
        }
        assert_eq!(frames, stream.pictures);
        assert!(!assembler.asks(now));
        assert_eq!(assembler.tally.lost, 0);
    }
}

#[test]
fn after_a_loss_a_key_frame_is_asked_for_and_nothing_comes_before_it() {
    let stream = stream(VideoCodec::Vp8, &[3_000; 12], 8);
    let (mut assembler, start) = (Assembler::new(), Instant::now());
    let mut frames = Vec::new();
    let mut asked = Vec::new();
    // A packet every 10 ms; the second one of picture 2 is lost.
    for (number, packet) in stream.packets.iter().enumerate() {
        let now = start + millis(number as u64 * 10);
        if number != 7 {
            assembler.push(VideoCodec::Vp8, packet.clone(), now);
        }
        frames.extend(all(&mut assembler, now));
        if assembler.asks(now) {
            asked.push(number);
        }
    }
    let numbers: Vec<u32> = frames.iter().map(|frame| frame.timestamp / 3_000).collect();
    assert_eq!(numbers, [0, 1, 8, 9, 10, 11]);
    assert!(frames[2].key);
    assert_eq!(frames, [&stream.pictures[..2], &stream.pictures[8..]].concat());
    assert_eq!(asked, [13], "50 ms after the next packet came, and not again: the key frame came within 500 ms");
    assert_eq!(assembler.tally.lost, 1);
    assert_eq!(assembler.tally.dropped, 5);
}

#[test]
fn what_is_sent_again_leaves_no_hole() {
    let stream = stream(VideoCodec::Vp8, &[3_000; 30], 8);
    let (mut assembler, start) = (Assembler::new(), Instant::now());
    assembler.set_repeating(true);
    let mut frames = Vec::new();
    let mut again: Vec<(Instant, RtpPacket)> = Vec::new();
    // A packet every 10 ms; five of a key frame and what follows are lost, and come 40 ms after they were asked for. So are
    // the first ones that are sent again.
    let mut vain = 2;
    for (number, packet) in stream.packets.iter().enumerate() {
        let now = start + millis(number as u64 * 10);
        if !(24..29).contains(&number) {
            assembler.push(VideoCodec::Vp8, packet.clone(), now);
        }
        again.retain(|(at, packet)| {
            if *at <= now {
                assembler.push(VideoCodec::Vp8, packet.clone(), now);
            }
            *at > now
        });
        frames.extend(all(&mut assembler, now));
        for sequence in assembler.missing(now) {
            let lost = stream.packets.iter().find(|packet| packet.sequence == sequence).expect("of the stream");
            if vain > 0 {
                vain -= 1;
            } else {
                again.push((now + millis(40), lost.clone()));
            }
        }
        assert!(!assembler.asks(now), "no key frame is needed");
    }
    frames.extend(all(&mut assembler, start + millis(1_000)));
    assert!(frames == stream.pictures, "{} of {} pictures", frames.len(), stream.pictures.len());
    assert_eq!((assembler.tally.lost, assembler.tally.recovered, assembler.tally.dropped), (0, 5, 0));

    // What never comes is given up, and a key frame asked for.
    let (mut assembler, mut asked) = (Assembler::new(), 0);
    assembler.set_repeating(true);
    for (number, packet) in stream.packets.iter().enumerate() {
        let now = start + millis(number as u64 * 20);
        if number != 1 {
            assembler.push(VideoCodec::Vp8, packet.clone(), now);
        }
        all(&mut assembler, now);
        asked += assembler.missing(now).len();
        if assembler.asks(now) {
            assert!((150..=600).contains(&(number * 20)), "{number}");
            break;
        }
    }
    assert!((2..=6).contains(&asked), "asked {asked} times");
    assert_eq!(assembler.tally.lost, 1);
}

#[test]
fn the_request_is_repeated_until_the_key_frame_comes_but_not_into_silence() {
    let stream = stream(VideoCodec::Vp8, &[500; 40], 100);
    let (mut assembler, start) = (Assembler::new(), Instant::now());
    let mut asked = Vec::new();
    // Joins late: the key frame is not heard. Then nothing comes any more.
    for (number, packet) in stream.packets.iter().skip(1).enumerate() {
        let now = start + millis(number as u64 * 33);
        assembler.push(VideoCodec::Vp8, packet.clone(), now);
        assert!(all(&mut assembler, now).is_empty());
        asked.extend(assembler.asks(now).then_some(number));
    }
    assert_eq!(asked, [0, 16, 32]);
    let silent = start + millis(38 * 33 + 2_100);
    assert!(!assembler.asks(silent));
    assert_eq!(assembler.deadline(silent), None);
}

#[test]
fn padding_between_pictures_and_another_stream_do_no_harm() {
    let one = stream(VideoCodec::Vp8, &[1_500, 1_500], 1);
    let (mut assembler, now) = (Assembler::new(), Instant::now());
    let mut sequence = 100u16;
    let mut frames = Vec::new();
    let mut push = |assembler: &mut Assembler, packet: RtpPacket| {
        assembler.push(VideoCodec::Vp8, RtpPacket { sequence, ..packet }, now);
        sequence += 1;
        frames.extend(all(assembler, now));
    };
    for packet in &one.packets {
        push(&mut assembler, packet.clone());
        if packet.marker {
            push(&mut assembler, RtpPacket { marker: false, payload: Bytes::new(), ..packet.clone() });
        }
    }
    for packet in &one.packets {
        push(&mut assembler, RtpPacket { ssrc: 6, ..packet.clone() });
    }
    assert_eq!(frames, [one.pictures.clone(), one.pictures].concat());
}

proptest! {
    #[test]
    fn whatever_the_network_does_only_whole_pictures_come_out_in_order_and_after_a_loss_a_key_frame_first(
        sizes in prop::collection::vec(1usize..4_000, 1..40),
        every in 1usize..12,
        h264: bool,
        fates in prop::collection::vec(0u8..100, 200),
        silence in 0u64..30,
        repeating: bool,
    ) {
        let codec = if h264 { VideoCodec::H264 } else { VideoCodec::Vp8 };
        let stream = stream(codec, &sizes, every);
        // Lost, sent twice, late by some packets, or neither.
        let mut sent: Vec<(u64, RtpPacket)> = Vec::new();
        for (number, packet) in stream.packets.iter().enumerate() {
            let place = number as u64 * 10;
            match fates[number % fates.len()] {
                0..5 => {}
                5..8 => sent.extend([(place, packet.clone()), (place + 13, packet.clone())]),
                8..15 => sent.push((place + 35, packet.clone())),
                _ => sent.push((place, packet.clone())),
            }
        }
        sent.sort_by_key(|(place, _)| *place);
        let (mut assembler, start) = (Assembler::new(), Instant::now());
        assembler.set_repeating(repeating);
        let mut frames = Vec::new();
        for (place, packet) in sent {
            let now = start + millis(place * silence / 10);
            prop_assert!(assembler.missing(now).len() <= 256 * usize::from(repeating));
            assembler.push(codec, packet, now);
            frames.extend(all(&mut assembler, now));
            prop_assert!(assembler.held.len() <= stream.packets.len());
        }
        let mut last: Option<usize> = None;
        for frame in frames {
            let number = (frame.timestamp / 3_000) as usize;
            prop_assert_eq!(&frame, &stream.pictures[number], "not as it was sent");
            match last {
                Some(last) if number == last + 1 => {}
                Some(last) => prop_assert!(frame.key && number > last),
                None => prop_assert!(frame.key),
            }
            last = Some(number);
        }
    }

    #[test]
    fn no_packets_whatsoever_are_a_panic_or_kept_for_ever(
        packets in prop::collection::vec((any::<u16>(), any::<bool>(), 0u32..4, prop::collection::vec(any::<u8>(), 0..30)), 0..300),
    ) {
        let (mut assembler, start) = (Assembler::new(), Instant::now());
        for (number, (sequence, marker, timestamp, payload)) in packets.into_iter().enumerate() {
            let now = start + millis(number as u64 * 3);
            let payload = payload.into();
            let packet = RtpPacket { payload_type: 96, marker, sequence, timestamp, ssrc: 1, payload };
            assembler.push(VideoCodec::H264, packet, now);
            while assembler.next_picture(now).is_some() {}
            assembler.asks(now);
            assembler.deadline(now);
        }
    }
}
