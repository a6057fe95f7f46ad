//! What a file says of its own size and length: clients lay out a room with it before they have the file.
//! A file that does not say it, or is damaged, is sent without.

use std::{io::Cursor, panic, time::Duration};

use html5gum::{Token, Tokenizer};
use lofty::{file::AudioFile as _, probe::Probe};
use matroska_demuxer::MatroskaFile;
use re_mp4::Mp4;

/// As it is shown, in pixels, and how long it plays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Measures {
    pub(super) size: Option<(u64, u64)>,
    pub(super) duration: Option<Duration>,
}

/// Of a file of that MIME type. A damaged file may be more than the libraries for its kind can bear: that
/// is no reason not to send it.
pub(super) fn of(kind: &str, bytes: &[u8]) -> Measures {
    let before = panic::take_hook();
    panic::set_hook(Box::new(|_| ()));
    let said = panic::catch_unwind(|| said(kind, bytes));
    panic::set_hook(before);
    let Measures { size, duration } = said.unwrap_or_default();
    let sides = 1..=MOST_PIXELS;
    Measures {
        size: size.filter(|(width, height)| sides.contains(width) && sides.contains(height)),
        duration: duration.filter(|it| !it.is_zero() && *it < LONGEST),
    }
}

/// What is more is no size and no length, but damage.
const MOST_PIXELS: u64 = 100_000;
const LONGEST: Duration = Duration::from_hours(240);

fn said(kind: &str, bytes: &[u8]) -> Measures {
    match kind.split('/').next() {
        _ if kind == "image/svg+xml" => Measures { size: drawing(bytes), duration: None },
        Some("image") => Measures { size: picture(bytes), duration: None },
        Some("audio") => played(bytes).unwrap_or_else(|| sound(bytes)),
        Some("video") => played(bytes).unwrap_or_default(),
        _ => Measures::default(),
    }
}

fn picture(bytes: &[u8]) -> Option<(u64, u64)> {
    const PNG: &[u8] = b"\x89PNG";
    // The sizes of a PNG stand in its first chunk, and in no other.
    if bytes.starts_with(PNG) && bytes.get(12..16) != Some(b"IHDR") {
        return None;
    }
    let size = imagesize::blob_size(bytes).ok()?;
    let size = (size.width as u64, size.height as u64);
    Some(turned(size, is_on_its_side(bytes)))
}

fn turned((width, height): (u64, u64), turned: bool) -> (u64, u64) {
    if turned { (height, width) } else { (width, height) }
}

/// Whether the camera noted that it was held upright: its picture is then turned when it is shown.
fn is_on_its_side(bytes: &[u8]) -> bool {
    let exif = exif::Reader::new().read_from_container(&mut Cursor::new(bytes));
    let turned = exif.ok().and_then(|exif| {
        exif.get_field(exif::Tag::Orientation, exif::In::PRIMARY)?.value.get_uint(0)
    });
    matches!(turned, Some(5..=8))
}

/// The size an SVG names, or that of what it shows.
fn drawing(bytes: &[u8]) -> Option<(u64, u64)> {
    /// The root stands at the beginning; whoever writes more before it is no drawing.
    const HEAD: usize = 4096;
    let root =
        Tokenizer::new(&bytes[..bytes.len().min(HEAD)]).flatten().find_map(
            |token| match token {
                Token::StartTag(tag) if tag.name.as_slice() == b"svg" => Some(tag),
                _ => None,
            },
        )?;
    let attribute = |name: &[u8]| {
        let value = root.attributes.get(name)?;
        std::str::from_utf8(value).ok().map(str::to_owned)
    };
    let pixels = |value: String| {
        let value: f64 = value.trim().trim_end_matches("px").parse().ok()?;
        whole(value)
    };
    // `viewBox`, as the tokenizer writes it.
    let shown = attribute(b"viewbox").and_then(|shown| {
        let mut sides = shown.split([' ', ',']).filter(|side| !side.is_empty()).skip(2);
        let mut side = || sides.next().and_then(|side| pixels(side.to_owned()));
        Some((side()?, side()?))
    });
    match (attribute(b"width").and_then(pixels), attribute(b"height").and_then(pixels), shown) {
        (Some(width), Some(height), _) => Some((width, height)),
        // One side is that of what it shows in the same measure.
        (Some(width), None, Some((wide, high))) => Some((width, width * high / wide)),
        (None, Some(height), Some((wide, high))) => Some((height * wide / high, height)),
        (_, _, shown) => shown,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is neither below nought nor too large"
)]
fn whole(value: f64) -> Option<u64> {
    (1.0..1e9).contains(&value).then(|| value.round() as u64)
}

/// Of the two containers that hold pictures and sound alike.
fn played(bytes: &[u8]) -> Option<Measures> {
    const MATROSKA: &[u8] = &[0x1A, 0x45, 0xDF, 0xA3];
    if bytes.starts_with(MATROSKA) {
        return matroska(bytes);
    }
    if bytes.get(4..8) == Some(b"ftyp") {
        return mp4(bytes);
    }
    None
}

/// `.mkv` and `.webm`.
fn matroska(bytes: &[u8]) -> Option<Measures> {
    let file = MatroskaFile::open(Cursor::new(bytes)).ok()?;
    let nanoseconds = file.info().timestamp_scale().get();
    let duration = file.info().duration().and_then(|units| {
        #[expect(clippy::cast_precision_loss, reason = "a scale has few digits")]
        Duration::try_from_secs_f64(units * nanoseconds as f64 / 1e9).ok()
    });
    let video = file.tracks().iter().find_map(|track| track.video());
    let size = video.map(|video| (video.pixel_width().get(), video.pixel_height().get()));
    Some(Measures { size, duration })
}

/// `.mp4` and `.mov`.
fn mp4(bytes: &[u8]) -> Option<Measures> {
    let file = Mp4::read_bytes(bytes).ok()?;
    let header = &file.moov.mvhd;
    let (units, a_second) = (header.duration, u64::from(header.timescale));
    let milliseconds = units.checked_mul(1000)?.checked_div(a_second);
    let duration = milliseconds.filter(|it| *it > 0).map(Duration::from_millis);
    let size = file.tracks().values().find_map(|track| {
        let size = (u64::from(track.width), u64::from(track.height));
        // A telephone that is held upright turns what it took by a quarter.
        let matrix = &track.trak(&file).tkhd.matrix;
        (size.0 > 0 && size.1 > 0).then(|| turned(size, matrix.a == 0 && matrix.d == 0))
    });
    Some(Measures { size, duration })
}

fn sound(bytes: &[u8]) -> Measures {
    let read = Probe::new(Cursor::new(bytes)).guess_file_type().ok().and_then(|it| it.read().ok());
    let duration = read.map(|file| file.properties().duration());
    Measures { size: None, duration: duration.filter(|duration| !duration.is_zero()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    macro_rules! sample {
        ($name:literal) => {
            include_bytes!(concat!("../../../test/media/", $name))
        };
    }

    fn size(kind: &str, bytes: &[u8]) -> Option<(u64, u64)> {
        of(kind, bytes).size
    }

    #[test]
    fn what_was_taken_upright_is_measured_as_it_is_shown() {
        assert_eq!(size("image/jpeg", sample!("upright.jpg")), Some((48, 64)));
        assert_eq!(size("video/mp4", sample!("upright.mp4")), Some((48, 64)));
    }

    #[test]
    fn what_plays_says_how_long() {
        let near = |kind, bytes: &[u8], wanted: f64| {
            let seconds = of(kind, bytes).duration.unwrap().as_secs_f64();
            assert!((seconds - wanted).abs() < 0.2, "{kind}: {seconds}");
        };
        near("video/mp4", sample!("upright.mp4"), 2.0);
        near("video/webm", sample!("clip.webm"), 2.0);
        near("audio/ogg", sample!("voice.ogg"), 3.0);
        near("audio/mp4", sample!("sound.m4a"), 3.0);
        near("audio/mpeg", sample!("sound.mp3"), 1.0);
        assert_eq!(size("video/webm", sample!("clip.webm")), Some((64, 48)));
        assert_eq!(size("audio/mp4", sample!("sound.m4a")), None);
    }

    #[test]
    fn a_drawing_has_the_size_it_names_or_that_of_what_it_shows() {
        let svg = |attributes: &str| {
            let text = format!("<?xml version=\"1.0\"?><!-- a --><svg {attributes}><g/></svg>");
            size("image/svg+xml", text.as_bytes())
        };
        assert_eq!(svg("width='30' height='20.4px'"), Some((30, 20)));
        assert_eq!(svg("viewBox='0 0 300,200' width='100%' height='100%'"), Some((300, 200)));
        assert_eq!(svg("width='-1' height='nan'"), None);
        assert_eq!(svg("width='100' viewBox='0 0 200 100'"), Some((100, 50)));
        let many: String = (0..2_000).map(|n| format!(" a{n}='1'")).collect();
        assert_eq!(svg(&format!("{many} width='3' height='4'")), None);
    }

    #[test]
    fn a_damaged_file_has_no_size_and_no_length() {
        let no_header = b"\x89PNG\r\n\x1a\n\0\0\0\rIDAT\0\0\0\x02\0\0\0\x03\x08\x06\0\0\0";
        assert_eq!(size("image/png", no_header), None);
        let whole: [(&str, &[u8]); 5] = [
            ("image/jpeg", sample!("upright.jpg")),
            ("video/mp4", sample!("upright.mp4")),
            ("video/webm", sample!("clip.webm")),
            ("audio/ogg", sample!("voice.ogg")),
            ("audio/mp4", sample!("sound.m4a")),
        ];
        for (kind, bytes) in whole {
            for end in (0..bytes.len()).step_by(7) {
                of(kind, &bytes[..end]);
            }
            assert_eq!(of(kind, b"text"), Measures::default());
        }
    }
}
