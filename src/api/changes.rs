//! What a phone can do with a call that is established: hold it, make a second one, switch, transfer, move, change between
//! audio and video, press keys.
//!
//! Owns: these methods of [`Phone`], and that of [`Call`] about keys. Lives on: any thread. Must not import: `signal`, `core`'s machines.

use super::call::Call;
use super::error::Error;
use super::options::DialOptions;
use super::phone::Phone;
use serde_json::{Value, json};
use std::time::Duration;

impl Phone {
    /// Puts the call in the foreground on hold: neither side hears the other. Completes at `call:held`; the other side gets
    /// `call:held` too.
    ///
    /// # Errors
    /// 2501 while not logged in, 2502 without a call, 2503 while it is not `connected`; 2500 when the gateway or the other side
    /// refuses.
    pub async fn hold(&self) -> Result<(), Error> {
        self.run("hold", Value::Null, None).await
    }

    /// Goes on with the call in the foreground that this phone holds. Completes at `call:resumed`.
    ///
    /// # Errors
    /// 2601 while not logged in, 2602 without a call, 2603 while it is not `held`; 2600 when the gateway or the other side refuses.
    pub async fn resume(&self) -> Result<(), Error> {
        self.run("resume", Value::Null, None).await
    }

    /// Holds the call in the foreground and dials another party. Completes when the new call exists; it rings when the first one
    /// is held, and is in the foreground when it is answered.
    ///
    /// # Errors
    /// As [`Phone::dial`], with the codes of `addCall` (39xx).
    pub async fn add_call(&self, options: DialOptions) -> Result<Call, Error> {
        let value = self.accept_tagged("addCall", options.to_json(), None, None).await?;
        let handle = value.get("call").and_then(Value::as_u64).ok_or(Error::NotFound)?;
        Ok(Call::new(self.clone(), handle))
    }

    /// Holds the call in the foreground and goes on with the other one. Completes at `session:call-switched`.
    ///
    /// # Errors
    /// Codes of `switchCall` (41xx): without two calls, while not logged in.
    pub async fn switch_call(&self) -> Result<(), Error> {
        self.run("switchCall", Value::Null, None).await
    }

    /// Connects the party in the foreground with the one in the background, who is held, and leaves the call
    /// (attended transfer). Completes at `call:transferred`, after which both calls end here.
    ///
    /// # Errors
    /// Codes of `transfer` (43xx): without two calls, while the background call is not held; when it fails on the way both calls
    /// go on as they were.
    pub async fn transfer(&self) -> Result<(), Error> {
        self.run("transfer", Value::Null, None).await
    }

    /// Moves the call in the foreground to another session of the same user, where it rings. Completes at `call:moved`, after
    /// which the call ends here; when nobody takes it, it goes on here.
    ///
    /// # Errors
    /// Codes of `move` (40xx): without a call, while it is not `connected`, when there is no other session.
    pub async fn move_call(&self) -> Result<(), Error> {
        self.run("move", Value::Null, None).await
    }
    /// Asks the other side to make the audio call in the foreground a video call. Completes when it has answered, also when it
    /// does not want to: then this side's video is sent all the same, and its own does not come (phone-behaviour.md section 9).
    /// Of the end there is no event but `call:state-changed`. Video begins anew with its source.
    ///
    /// # Errors
    /// 4601 while not logged in, 4602 without a call, 4603 while it is not `connected` or is changing, 4604 when it is a video
    /// call already; 0020 when its `localMedia` names no source of video; 4600 when the gateway refuses.
    pub async fn upgrade(&self) -> Result<(), Error> {
        self.run("upgrade", Value::Null, None).await
    }

    /// Stops sending video in the call in the foreground, and asks the other side to do the same. Completes when it has answered;
    /// when it does not want to, its video goes on coming. Of the end there is no event but `call:state-changed`.
    ///
    /// # Errors
    /// 4501 while not logged in, 4502 without a call, 4503 while it is not `connected` or is changing, 4504 when it is an audio
    /// call already; 4500 when the gateway refuses.
    pub async fn downgrade(&self) -> Result<(), Error> {
        self.run("downgrade", Value::Null, None).await
    }

    /// Agrees to the upgrade or downgrade that the other side has asked for (`call:media-modification`). Completes when the
    /// change is made; both sides have the same media then.
    ///
    /// # Errors
    /// 4301 while not logged in, 4302 without a call, 4304 when nothing was asked for, 4303 while the call is neither
    /// `connected` nor held; 0020 for an upgrade of a call whose `localMedia` names no source of video, and the request goes on
    /// waiting; 4300 when it was withdrawn or the gateway refuses.
    pub async fn accept_modification(&self) -> Result<(), Error> {
        self.run("acceptModification", Value::Null, None).await
    }

    /// Does not follow the upgrade or downgrade that the other side has asked for: this side keeps its media, the other side
    /// changes its own. Completes when that is made.
    ///
    /// # Errors
    /// As [`Phone::accept_modification`], with the codes of `rejectModification` (44xx), and never 0020.
    pub async fn reject_modification(&self) -> Result<(), Error> {
        self.run("rejectModification", Value::Null, None).await
    }

    /// Presses keys in the call in the foreground, as telephone events (RFC 4733): `0-9`, `A-D`, `*`, `#`, and `,` for a pause
    /// of 2 s. Each sounds for 100 ms, whether the call is muted or not, behind those that are still to be sent; `gap` is the
    /// pause between two, 70 ms if none is given, brought within 50 ms to 6 s and sent in steps of 20 ms, 60 ms at least. Each
    /// causes `dtmf:tone-sending` and `dtmf:tone-sent` here, and `dtmf:received` at a phone of this library. Completes when the
    /// last one was sent. While the other side holds the call, the tones wait.
    ///
    /// # Errors
    /// 4712 for an empty text or another character, of which then nothing is sent; 4721 while not logged in, 4731 without a
    /// call, 4741 while it is not `connected`, 0000 when the other side takes no telephone events, 4700 when more than 256 keys
    /// would wait or the call ends first.
    pub async fn send_dtmf_tone(&self, input: &str, gap: Option<Duration>) -> Result<(), Error> {
        self.run(SEND_TONE, tone_options(input, gap), None).await
    }
}

const SEND_TONE: &str = "sendDTMFTone";

fn tone_options(input: &str, gap: Option<Duration>) -> Value {
    let gap = gap.map(|gap| u64::try_from(gap.as_millis()).unwrap_or(u64::MAX));
    json!({"input": input, "gap": gap})
}

impl Call {
    /// As [`Phone::send_dtmf_tone`], in this call.
    ///
    /// # Errors
    /// As [`Phone::send_dtmf_tone`]; [`Error::NotFound`] when the call has ended already.
    pub async fn send_dtmf_tone(&self, input: &str, gap: Option<Duration>) -> Result<(), Error> {
        self.phone().run(SEND_TONE, tone_options(input, gap), Some(self.handle())).await
    }
}
