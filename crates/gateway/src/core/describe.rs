//! Descriptions that the gateway makes in the name of a phone that does not.
//!
//! Owns: answers and offers derived from what a phone last said, and the fitting of a description to the sections its
//! receiver knows. Lives on: any thread. Must not import: anything of the core but `lines` and `relay`.
//!
//! Calls pass descriptions through end to end (D-27). Only where one side is silent, or is no phone, the gateway speaks
//! in its name (D-15 to D-17, D-30): with that side's own transport (ICE, fingerprint, DTLS role, section 4.8) and
//! directions that promise nothing it has not promised itself.

use ewebrtc_wire::{Direction, Sdp};

use super::lines::Lines;
use super::relay::relay_sdp;

/// Role in DTLS, for the life of an association (section 4.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// `a=setup:active`
    Active,
    /// `a=setup:passive`
    Passive,
}

impl Role {
    /// The role an answer takes; `None` when it takes none.
    pub(super) fn of_answer(sdp: &str) -> Option<Self> {
        match Lines::split(sdp).value("setup") {
            Some("active") => Some(Role::Active),
            Some("passive") => Some(Role::Passive),
            Some(_) | None => None,
        }
    }

    /// The role of the other side.
    pub(super) fn opposite(self) -> Self {
        match self {
            Role::Active => Role::Passive,
            Role::Passive => Role::Active,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Role::Active => "active",
            Role::Passive => "passive",
        }
    }
}

/// The answer to `offer` in the name of the side whose last description is `last`: its transport and its role; each
/// section in the direction that both allow, so that a hold is a hold, and nothing begins that its phone has not begun;
/// sections it does not have are refused (section 4.7: refused upgrade, refused downgrade).
pub(super) fn answer_for(last: &str, role: Option<Role>, offer: &str) -> String {
    let mut answer = Lines::split(last);
    let offer = Lines::split(&relay_sdp(offer));
    let default = answer.default_direction();
    answer.sections.truncate(offer.sections.len());
    for (n, offered) in offer.sections.iter().enumerate() {
        match answer.sections.get_mut(n) {
            Some(section) if !section.is_refused() && !offered.is_refused() => {
                let own = section.direction().unwrap_or(default);
                let theirs = offered.direction().unwrap_or(Direction::SendRecv);
                section.set_direction(own.intersect(theirs.reversed()));
            }
            Some(section) => *section = offered.refused(),
            None => answer.sections.push(offered.refused()),
        }
    }
    answer.set_value("setup", role.unwrap_or(Role::Active).as_str());
    relay_sdp(&answer.to_string())
}

/// A description as an offer: the roles are open (section 4.8).
pub(super) fn as_offer(sdp: &str) -> String {
    let mut lines = Lines::split(sdp);
    lines.set_value("setup", "actpass");
    lines.to_string()
}

/// The description with a version that is higher by `made`, the number of descriptions that the gateway made in the name
/// of its writer (section 4.1: versions rise).
pub(super) fn versioned(sdp: &str, made: u64) -> String {
    if made == 0 {
        return sdp.to_owned();
    }
    let mut lines = Lines::split(sdp);
    lines.raise_version(made);
    lines.to_string()
}

/// An offer for a phone whose last description is `own`. Sections that this phone has must be there, because sections
/// cannot disappear; refused ones beyond those must not, because they were never negotiated with it (section 4.3).
pub(super) fn offer_fits(offer: &str, own: &str) -> String {
    let (mut lines, own) = (Lines::split(offer), Lines::split(own));
    let known = own.sections.len();
    if lines.sections.len() < known {
        let missing = own.sections.iter().skip(lines.sections.len()).map(|s| s.refused()).collect::<Vec<_>>();
        lines.sections.extend(missing);
    } else {
        while lines.sections.len() > known && lines.sections.last().is_some_and(|s| s.is_refused()) {
            lines.sections.pop();
        }
    }
    lines.to_string()
}

/// An answer to `offer`: exactly its sections (RFC 3264 section 6).
pub(super) fn answer_fits(answer: &str, offer: &str) -> String {
    let (mut lines, offer) = (Lines::split(answer), Lines::split(offer));
    lines.sections.truncate(offer.sections.len());
    let missing = offer.sections.iter().skip(lines.sections.len()).map(|s| s.refused()).collect::<Vec<_>>();
    lines.sections.extend(missing);
    lines.to_string()
}

/// What is left of an offer after its answer: sections that the answer refuses are stopped, and whoever offered them sends
/// nothing there (RFC 3264 section 6).
pub(super) fn settled(offer: &str, answer: &str) -> String {
    let (mut lines, answer) = (Lines::split(offer), Lines::split(answer));
    for (n, section) in lines.sections.iter_mut().enumerate() {
        if !section.is_refused() && answer.sections.get(n).is_none_or(|s| s.is_refused()) {
            *section = section.refused();
        }
    }
    lines.to_string()
}

/// Whether both say the same about every section: refused or not, and in which direction.
pub(super) fn agree(a: &str, b: &str) -> bool {
    let shape = |text: &str| {
        let lines = Lines::split(text);
        let default = lines.default_direction();
        let of = |s: &super::lines::SectionLines| (!s.is_refused()).then(|| s.direction().unwrap_or(default));
        // A section that is refused and one that is not there are the same to the listener.
        let mut all: Vec<Option<Direction>> = lines.sections.iter().map(of).collect();
        while all.last() == Some(&None) {
            all.pop();
        }
        all
    };
    shape(a) == shape(b)
}

/// Direction of the first section that is not refused, which is the audio where there is nothing else.
pub(super) fn direction_of(sdp: &str) -> Direction {
    let lines = Lines::split(sdp);
    let live = lines.sections.iter().find(|s| !s.is_refused());
    live.map_or(Direction::Inactive, |s| s.direction().unwrap_or(lines.default_direction()))
}

/// Whether `offer` comes from another connection than `last`: ICE credentials are never those of another connection.
/// Original clients repeat their last description instead (section 5.10).
pub(super) fn is_fresh(offer: &str, last: &str) -> bool {
    let credentials = |text: &str| Lines::split(text).value("ice-ufrag").map(str::to_owned);
    match (credentials(offer), credentials(last)) {
        (Some(new), Some(old)) => new != old,
        (Some(_), None) => true,
        (None, _) => false,
    }
}

/// A description that can be passed on: readable, and put right by [`relay_sdp`].
pub(super) fn usable(text: &str) -> Option<String> {
    Sdp::parse(text).is_ok().then(|| relay_sdp(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sdp(setup: &str, sections: &[(&str, u32, &str)]) -> String {
        let mut text = String::from("v=0\r\no=- 1 3 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n");
        for (n, (media, port, direction)) in sections.iter().enumerate() {
            text += &format!(
                "m={media} {port} UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=setup:{setup}\r\na=mid:{n}\r\n\
                 a=ice-ufrag:of-{media}-{setup}\r\na={direction}\r\n"
            );
        }
        text
    }

    fn shape(text: &str) -> Vec<(u32, Option<Direction>)> {
        Sdp::parse(text).expect("readable").sections.iter().map(|s| (s.port, s.direction)).collect()
    }

    #[test]
    fn a_hold_is_answered_as_one_and_promises_nothing_new() {
        use Direction::{Inactive, RecvOnly, SendRecv};
        let last = |d| sdp("actpass", &[("audio", 9, d)]);
        let answer = |own, offered| {
            let text = answer_for(&last(own), Some(Role::Passive), &sdp("actpass", &[("audio", 9, offered)]));
            assert!(text.contains("a=setup:passive") && !text.contains("setup:actpass"), "{text}");
            shape(&text)[0].1
        };
        assert_eq!(answer("sendrecv", "sendonly"), Some(RecvOnly));
        assert_eq!(answer("sendonly", "inactive"), Some(Inactive));
        assert_eq!(answer("recvonly", "sendrecv"), Some(RecvOnly), "its phone does not send");
        assert_eq!(answer("sendrecv", "sendrecv"), Some(SendRecv));
    }

    #[test]
    fn upgrades_and_downgrades_are_refused_as_the_client_does() {
        let audio = sdp("active", &[("audio", 9, "sendrecv")]);
        let video = sdp("active", &[("audio", 9, "sendrecv"), ("video", 9, "sendrecv")]);
        let upgrade = sdp("actpass", &[("audio", 9, "sendrecv"), ("video", 9, "sendrecv")]);
        let answer = answer_for(&audio, Some(Role::Active), &upgrade);
        assert_eq!(shape(&answer), [(9, Some(Direction::SendRecv)), (0, Some(Direction::Inactive))]);
        assert!(answer.contains("m=video 0") && answer.ends_with("c=IN IP4 0.0.0.0\r\na=mid:1\r\na=inactive\r\n"));
        let downgrade = sdp("actpass", &[("audio", 9, "sendrecv"), ("video", 9, "recvonly")]);
        let answer = answer_for(&video, Some(Role::Active), &downgrade);
        assert_eq!(shape(&answer)[1], (9, Some(Direction::SendOnly)));
    }

    #[test]
    fn offers_have_the_sections_that_their_receiver_knows() {
        let one = sdp("x", &[("audio", 9, "sendonly")]);
        let two = sdp("x", &[("audio", 9, "sendonly"), ("video", 0, "inactive")]);
        let live = sdp("x", &[("audio", 9, "sendrecv"), ("video", 9, "sendrecv")]);
        assert_eq!(offer_fits(&two, &one), one);
        assert_eq!(offer_fits(&two, &live), two);
        assert_eq!(shape(&offer_fits(&one, &live)).len(), 2);
        assert_eq!(offer_fits(&live, &one), live, "a new section is a wish");
        assert_eq!(shape(&answer_fits(&one, &live))[1], (0, Some(Direction::Inactive)));
        assert_eq!(answer_fits(&live, &one).matches("m=").count(), 1);
        assert!(agree(&one, &two) && !agree(&one, &live));
    }

    #[test]
    fn a_repeated_description_is_not_fresh() {
        let (a, b) = (sdp("active", &[("audio", 9, "sendrecv")]), sdp("passive", &[("audio", 9, "sendrecv")]));
        assert!(is_fresh(&a, &b) && !is_fresh(&a, &a) && !is_fresh("v=0\r\n", &a));
    }

    /// Whatever two phones say: what is made of it can be read, and has the sections its receiver needs.
    fn check(last: &str, offer: &str) {
        let (Some(last), Some(offer)) = (usable(last), usable(offer)) else { return };
        let count = |text: &str| Sdp::parse(text).expect("made descriptions can be read").sections.len();
        for role in [None, Some(Role::Active), Some(Role::Passive)] {
            let answer = answer_for(&last, role, &offer);
            assert_eq!(count(&answer), count(&offer));
            assert_eq!(relay_sdp(&answer), answer);
            assert!(!answer.contains("a=setup:actpass"));
        }
        assert_eq!(count(&answer_fits(&last, &offer)), count(&offer));
        let fitting = offer_fits(&as_offer(&versioned(&offer, 3)), &last);
        assert!(count(&fitting) >= count(&last));
        assert_eq!(offer_fits(&fitting, &last), fitting);
        assert_eq!(count(&settled(&offer, &last)), count(&offer));
        assert!(agree(&last, &last) && !is_fresh(&last, &last));
    }

    #[test]
    fn recorded_descriptions_can_be_answered_and_offered() {
        let root = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../wire/data/transcripts/sdp");
        let mut all = Vec::new();
        for folder in std::fs::read_dir(root).expect("recordings") {
            for file in std::fs::read_dir(folder.expect("an entry").path()).expect("a folder") {
                all.push(std::fs::read_to_string(file.expect("an entry").path()).expect("a text"));
            }
        }
        all.iter().zip(all.iter().skip(1)).for_each(|(a, b)| check(a, b));
        all.iter().zip(all.iter().skip(7)).for_each(|(a, b)| check(a, b));
        assert!(all.len() > 200);
    }

    proptest::proptest! {
        #[test]
        fn no_description_makes_a_bad_one(
            last in "v=0\r\no=[ -~]{0,20}\r\n(m=[a-z]{0,5} [0-9]{1,2}[ -~]{0,9}\r\n|a=[a-z]{4,9}(:[ -~]{0,9})?\r\n|i=x\r\n){0,12}",
            offer in "v=0\no=- 1 1[ -~]{0,9}\n(m=(audio|video) (0|9) X 1\n|a=(sendonly|inactive|setup:actpass)\n|c=x\n){0,12}",
        ) {
            check(&last, &offer);
            check(&offer, &last);
        }
    }
}
