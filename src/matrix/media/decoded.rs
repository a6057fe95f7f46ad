//! What has to be decoded to be known: a still picture of a video, and how loud a recording is over time.
//! ffmpeg knows every codec there is and no library of Rust does: where the machine has it, it is asked.

use std::{fs::File, path::Path, process::Stdio, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::Command,
    time::timeout,
};

use super::Still;
use crate::process;

/// For one look at one file; whatever takes longer is sent without.
const PATIENCE: Duration = Duration::from_secs(30);
/// A still picture is no larger, in pixels, as Element makes it.
const FITTING: &str = "scale=w='min(800,iw)':h='min(600,ih)':force_original_aspect_ratio=decrease";
/// More is no still picture, in bytes.
const LARGEST_STILL: u64 = 4 << 20;
/// Of sound, a second: enough to see how loud somebody speaks.
const SAMPLES: u64 = 8000;
/// One reading of the loudness is the greatest of so many samples, a hundredth of a second.
const WINDOW: usize = 80;
/// How many readings a message has: clients show thirty to a hundred and twenty ([MSC3246]).
///
/// [MSC3246]: https://github.com/matrix-org/matrix-spec-proposals/pull/3246
const READINGS: usize = 100;
/// The loudest of them.
const LOUDEST: u32 = 1024;

/// ffmpeg on a file, its answer on a pipe. The file is an open one and no name, it may be of these kinds alone
/// and lead to no other: a list of pieces that calls itself a video would have other files read and sent.
fn ffmpeg(file: &Path) -> Option<Command> {
    // What comes through a pipe has been read already.
    if !file.is_file() {
        return None;
    }
    let mut command = process::command(process::find("ffmpeg")?);
    command
        .args(["-v", "quiet", "-nostdin", "-protocol_whitelist", "file"])
        .args(["-format_whitelist", "aac,flac,matroska,mov,mp3,ogg,wav"])
        .stdin(File::open(file).ok()?)
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    Some(command)
}

/// Runs it and reads its answer with `read`; none where it failed or took too long.
async fn asked<T>(mut command: Command, read: impl AsyncFnOnce(&mut Answer) -> T) -> Option<T> {
    let mut child = command.spawn().ok()?;
    let mut answer = child.stdout.take()?;
    let all = async {
        let read = read(&mut answer).await;
        drop(answer);
        child.wait().await.is_ok_and(|status| status.success()).then_some(read)
    };
    timeout(PATIENCE, all).await.ok()?
}

type Answer = tokio::process::ChildStdout;

/// A picture out of the video, a second after its beginning or in the middle of a shorter one.
pub(super) async fn still(file: &Path, length: Option<Duration>) -> Option<Still> {
    let second = Duration::from_secs(1);
    let at = length.map_or(Duration::ZERO, |length| second.min(length / 2)).as_secs_f64();
    let mut command = ffmpeg(file)?;
    command
        .args(["-ss", &at.to_string(), "-i", "/dev/stdin", "-frames:v", "1", "-vf", FITTING])
        .args(["-f", "mjpeg", "pipe:1"]);
    let bytes = asked(command, async |answer| {
        let mut bytes = Vec::new();
        answer.take(LARGEST_STILL).read_to_end(&mut bytes).await.map(|_| bytes)
    });
    let bytes = bytes.await?.ok()?;
    let size = super::measures::of(Still::KIND, &bytes).size?;
    Some(Still { bytes, size })
}

/// How loud the recording is from its beginning to its end, the loudest being 1024.
pub(super) async fn waveform(file: &Path) -> Option<Vec<u32>> {
    let mut command = ffmpeg(file)?;
    command
        .args(["-i", "/dev/stdin", "-map", "0:a:0", "-ac", "1", "-ar", &SAMPLES.to_string()])
        .args(["-f", "s16le", "pipe:1"]);
    let peaks = asked(command, async |answer| peaks(answer).await).await?.ok()?;
    Some(readings(&peaks)).filter(|readings| !readings.is_empty())
}

/// The greatest sample of each window.
async fn peaks(answer: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Vec<u16>> {
    let mut peaks = Vec::new();
    let mut samples = Vec::new();
    loop {
        samples.clear();
        let window = (2 * WINDOW) as u64;
        if (&mut *answer).take(window).read_to_end(&mut samples).await? == 0 {
            return Ok(peaks);
        }
        let loudness = |pair: &[u8]| i16::from_le_bytes([pair[0], pair[1]]).unsigned_abs();
        peaks.push(samples.chunks_exact(2).map(loudness).max().unwrap_or(0));
    }
}

/// As many as a message has, each the greatest of its part.
fn readings(peaks: &[u16]) -> Vec<u32> {
    let count = READINGS.min(peaks.len());
    let parts = (0..count).map(|n| &peaks[n * peaks.len() / count..(n + 1) * peaks.len() / count]);
    let loudest = u32::from(peaks.iter().copied().max().unwrap_or(0).max(1));
    parts
        .map(|part| u32::from(part.iter().copied().max().unwrap_or(0)) * LOUDEST / loudest)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_waveform_has_a_hundred_readings_of_which_the_loudest_is_1024() {
        let mut sound = Vec::new();
        for sample in 0..30_000i16 {
            sound.extend((sample / 3).to_le_bytes());
        }
        let peaks = peaks(&mut &sound[..]).await.unwrap();
        assert_eq!((peaks.len(), peaks[0], peaks[374]), (375, 26, 9999));
        let readings = readings(&peaks);
        assert_eq!((readings.len(), readings[99]), (100, 1024));
        assert!(readings.is_sorted());
    }

    #[test]
    fn a_short_recording_has_fewer_readings_and_a_silent_one_is_flat() {
        assert_eq!(readings(&[]), [0; 0]);
        assert_eq!(readings(&[5, 10]), [512, 1024]);
        assert_eq!(readings(&[0; 3]), [0; 3]);
    }
}
