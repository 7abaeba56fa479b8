//! Tests of the IVF format, both ways.

use std::io::Cursor;
use std::path::PathBuf;

use proptest::prelude::*;

use super::*;

fn counter(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data").join(name)
}

/// A file of this test alone, deleted when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        Scratch(std::env::temp_dir().join(format!("ewebrtc-ivf-{}-{name}", std::process::id())))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn files_of_other_programs_are_read() {
    for (name, codec) in [("counter.ivf", VideoCodec::Vp8), ("counter-h264.ivf", VideoCodec::H264)] {
        let input = IvfInput::open(&counter(name)).expect("a good file");
        assert_eq!(input.codec, codec);
        assert_eq!(input.pictures.len(), 75);
        let keys: Vec<usize> = (0..75).filter(|number| input.pictures[*number].key).collect();
        assert_eq!(keys, [0, 30, 60], "{name}");
        assert_eq!(input.pictures[15].time, Duration::from_secs(1));
        assert!(input.length.abs_diff(Duration::from_secs(5)) < Duration::from_millis(1), "{:?}", input.length);
        let frame = VideoFrame::new(codec, 0, input.read(30).expect("readable"));
        assert!(frame.key);
    }
}

#[test]
fn a_recording_is_read_again_with_its_times_and_its_size() {
    let input = IvfInput::open(&counter("counter.ivf")).expect("a good file");
    let scratch = Scratch::new("again");
    let recorder = IvfRecorder::create(&scratch.0).expect("writable");
    for number in 0..40 {
        // Near the end of the range of time stamps, in order to go beyond it.
        let timestamp = (u32::MAX - 50_000).wrapping_add(number as u32 * 6_000);
        let data = input.read(number).expect("readable");
        recorder.write_for(7, VideoFrame::new(VideoCodec::Vp8, timestamp, data.clone()));
        recorder.write_for(8, VideoFrame::new(VideoCodec::Vp8, 0, data));
    }
    recorder.flush().expect("written");
    let header = std::fs::read(&scratch.0).expect("there");
    assert_eq!(half(&header, 12), 160);
    assert_eq!(half(&header, 14), 120);
    assert_eq!(word(&header, 24), 40, "the number of pictures is right before the end of the recording");
    // Another leg has its turn when the first one has given it back.
    recorder.release(7);
    recorder.write_for(8, VideoFrame::new(VideoCodec::Vp8, 5, input.read(0).expect("readable")));
    recorder.write_for(8, VideoFrame::new(VideoCodec::H264, 6, vec![0, 0, 1, 0x65]));
    drop(recorder);
    let again = IvfInput::open(&scratch.0).expect("a good file");
    assert_eq!(again.pictures.len(), 41);
    for number in 0..40 {
        assert_eq!(again.read(number), input.read(number));
        assert_eq!(again.pictures[number].time.as_micros() / 10, input.pictures[number].time.as_micros() / 10);
    }
    assert_eq!(again.pictures[40].time.as_millis(), 2_633);
}

#[test]
fn what_is_no_such_file_is_refused_with_its_name() {
    let scratch = Scratch::new("garbage");
    let good = std::fs::read(counter("counter.ivf")).expect("there");
    let change = |at: usize, bytes: &[u8]| {
        let mut changed = good.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        changed
    };
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("empty", Vec::new()),
        ("short", good[..31].to_vec()),
        ("no picture", good[..32].to_vec()),
        ("other magic", change(0, b"RIFF")),
        ("other version", change(4, &[1])),
        ("short header", change(6, &[31])),
        ("other codec", change(8, b"VP90")),
        ("no time base", change(16, &[0; 4])),
        ("no time base", change(20, &[0; 4])),
        ("huge picture", change(32, &[0xff; 4])),
        ("no key frame", change(44, &[0x51])[..44 + 2_942].to_vec()),
        ("not Annex B", change(8, b"H264")),
        ("time runs back", change(36, &[9])),
    ];
    for (what, bytes) in cases {
        std::fs::write(&scratch.0, bytes).expect("writable");
        let error = IvfInput::open(&scratch.0).expect_err(what);
        let MediaError::Source(text) = error else { panic!("{what}: {error:?}") };
        assert!(text.contains(&scratch.0.display().to_string()), "{what}: {text}");
    }
    assert!(IvfInput::open(Path::new("/")).is_err());
    assert!(IvfInput::open(Path::new("/no/such/file.ivf")).is_err());
    // A recording that was interrupted in the middle of a picture is good up to there.
    std::fs::write(&scratch.0, &good[..good.len() - 1]).expect("writable");
    assert_eq!(IvfInput::open(&scratch.0).expect("good").pictures.len(), 74);
}

proptest! {
    #[test]
    fn no_file_whatsoever_is_a_panic_or_more_than_it_holds(
        mut bytes in prop::collection::vec(any::<u8>(), 0..400),
        like in any::<bool>(),
        sizes in prop::collection::vec(0u32..60, 0..8),
    ) {
        if like {
            // Looks right at the beginning, and perhaps for some pictures.
            let mut file = b"DKIF\0\0\x20\0VP80\xa0\0\x78\0\x0f\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0".to_vec();
            for (number, size) in sizes.iter().enumerate() {
                file.extend_from_slice(&size.to_le_bytes());
                file.extend_from_slice(&(number as u64).to_le_bytes());
                file.extend(std::iter::repeat_n(0u8, *size as usize));
            }
            file.extend_from_slice(&bytes);
            bytes = file;
        }
        let length = bytes.len() as u64;
        if let Ok(index) = Index::read(&mut Cursor::new(&bytes), length) {
            prop_assert!(!index.pictures.is_empty() && index.pictures[0].key);
            for picture in &index.pictures {
                prop_assert!(picture.offset + picture.size as u64 <= length);
                prop_assert!(picture.time <= index.length);
            }
        }
    }
}
