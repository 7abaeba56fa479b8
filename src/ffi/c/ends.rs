//! The program's ends of the calls' audio and video on the C side.
//!
//! Owns: [`Programs`], the ends that were used. Lives on: the caller's thread; audio and video themselves never wait for it.
//! Must not import: `runtime`, `core`, `signal`.

use super::guard::{EWEBRTC_ERR_NOT_FOUND, EWEBRTC_ERR_STATE, Fail};
use super::phone::Held;
use super::video::Pictures;
use crate::api::{PcmReader, PcmWriter, VideoWriter};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

/// The ends of one call.
#[derive(Default)]
pub(super) struct Ends {
    pub(super) writer: Option<Arc<PcmWriter>>,
    pub(super) reader: Option<Arc<PcmReader>>,
    pub(super) video_writer: Option<Arc<VideoWriter>>,
    pub(super) video_reader: Option<Arc<Pictures>>,
}

/// The ends of a phone's calls.
#[derive(Default)]
pub(super) struct Programs(HashMap<u64, Ends>);

/// There is no such call.
pub(super) fn gone() -> Fail {
    Fail(EWEBRTC_ERR_NOT_FOUND, "no live call has this handle".into())
}

/// The end that `pick` names, taken from the call when it is first asked for. `after_end`: what has come may still be read.
pub(super) fn end<T>(
    held: &Held,
    call: u64,
    after_end: bool,
    pick: fn(&mut Ends) -> &mut Option<Arc<T>>,
) -> Result<Arc<T>, Fail> {
    let mut programs = held.programs.lock().unwrap_or_else(PoisonError::into_inner);
    let object = held.phone.call(call);
    let lives = object.state().is_some();
    if lives && !programs.0.contains_key(&call) {
        // Ended calls keep what was not read until another call begins to be used.
        programs.0.retain(|other, _| held.phone.call(*other).state().is_some());
        programs.0.insert(call, Ends::default());
    }
    let Some(ends) = programs.0.get_mut(&call).filter(|_| lives || after_end) else { return Err(gone()) };
    // The ends come with the call's media, which may begin later than the call.
    ends.writer = ends.writer.take().or_else(|| object.pcm_writer().map(Arc::new));
    ends.reader = ends.reader.take().or_else(|| object.pcm_reader().map(Arc::new));
    ends.video_writer = ends.video_writer.take().or_else(|| object.video_writer().map(Arc::new));
    ends.video_reader = ends.video_reader.take().or_else(|| object.video_reader().map(|r| Arc::new(Pictures::new(r))));
    match pick(ends) {
        Some(end) => Ok(end.clone()),
        // Asked anew: a call that has ended since is gone.
        None if object.state().is_some() => {
            Err(Fail(EWEBRTC_ERR_STATE, "the call has no program audio or video of this kind in this direction".into()))
        }
        None => Err(gone()),
    }
}
