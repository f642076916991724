//! The file of a backup: lines of JSON, plain or gzip'd. A header, the items, and a trailer by which a file that was cut or
//! changed is noticed.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;

use anyhow::{Context as _, bail};
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use posthaste_core::Timestamp;
use posthaste_core::portable::{PORTABLE_VERSION, PortableItem};
use posthaste_notify::digest::hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The first bytes of a gzip file.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// Longest line that is read: a record of a megabyte, with room for escapes.
const MAX_LINE: u64 = 16 * 1024 * 1024;

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    /// The version of the items.
    pub(crate) posthaste_backup: u32,
    /// The program that wrote it.
    pub(crate) version: String,
    /// The store it is of, without its password.
    pub(crate) store: String,
    /// When it was begun, by this machine's clock.
    pub(crate) made_at: Timestamp,
    /// How many tasks the store held then.
    pub(crate) tasks: u64,
}

/// The last line.
#[derive(Debug, Serialize, Deserialize)]
struct Trailer {
    end: End,
}

#[derive(Debug, Serialize, Deserialize)]
struct End {
    items: u64,
    /// Of all lines before this one.
    sha256: String,
}

/// Where lines go; `finish` ends what is compressed.
enum Sink {
    Plain(Box<dyn Write>),
    Gzip(GzEncoder<Box<dyn Write>>),
}

impl Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match self {
            Self::Plain(to) => to.write_all(bytes),
            Self::Gzip(to) => to.write_all(bytes),
        }
    }
}

/// Writes a backup.
pub(crate) struct Writer {
    sink: Sink,
    sha256: Sha256,
    items: u64,
}

impl Writer {
    /// Begins it at `to`; `gzip` compresses.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn new(
        to: Box<dyn Write>,
        gzip: Option<Compression>,
        header: &Header,
    ) -> anyhow::Result<Self> {
        let sink = match gzip {
            Some(level) => Sink::Gzip(GzEncoder::new(to, level)),
            None => Sink::Plain(to),
        };
        let mut this = Self { sink, sha256: Sha256::new(), items: 0 };
        this.line(header)?;
        Ok(this)
    }

    fn line(&mut self, value: &impl Serialize) -> anyhow::Result<()> {
        let mut line = serde_json::to_vec(value)?;
        line.push(b'\n');
        self.sha256.update(&line);
        Ok(self.sink.write(&line)?)
    }

    /// Appends items.
    ///
    /// # Errors
    /// When they cannot be written.
    pub(crate) fn add(&mut self, items: &[PortableItem]) -> anyhow::Result<()> {
        self.items += items.len() as u64;
        items.iter().try_for_each(|item| self.line(item))
    }

    /// Ends it.
    ///
    /// # Errors
    /// When that cannot be written.
    pub(crate) fn finish(mut self) -> anyhow::Result<()> {
        let end = End { items: self.items, sha256: hex(&self.sha256.clone().finalize()) };
        self.line(&Trailer { end })?;
        let mut to = match self.sink {
            Sink::Plain(to) => to,
            Sink::Gzip(gzip) => gzip.finish()?,
        };
        Ok(to.flush()?)
    }
}

/// Reads a backup, line by line.
pub(crate) struct Reader {
    from: Box<dyn BufRead>,
    header: Header,
    sha256: Sha256,
    items: u64,
    ended: bool,
}

impl Reader {
    /// Reads the header.
    ///
    /// # Errors
    /// When it is none, or of a newer program.
    pub(crate) fn new(from: impl Read + 'static) -> anyhow::Result<Self> {
        let mut from = BufReader::new(from);
        let gzip = from.fill_buf()?.starts_with(&GZIP);
        let mut from: Box<dyn BufRead> =
            if gzip { Box::new(BufReader::new(MultiGzDecoder::new(from))) } else { Box::new(from) };
        let mut sha256 = Sha256::new();
        let line = line(&mut from)?.context("the file is empty")?;
        let header: Header = serde_json::from_slice(&line)
            .context("this is no backup: its first line is not the header of one")?;
        if header.posthaste_backup > PORTABLE_VERSION {
            bail!(
                "the backup was written by a newer program (format {}, this one reads {PORTABLE_VERSION}): use posthaste {} or newer",
                header.posthaste_backup,
                header.version
            );
        }
        sha256.update(&line);
        Ok(Self { from, header, sha256, items: 0, ended: false })
    }

    /// A file by its name.
    ///
    /// # Errors
    /// As [`Reader::new`].
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let file = File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
        Self::new(file)
    }

    /// What the header says.
    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    /// The next items, at most `n`; none at the end of a whole file.
    ///
    /// # Errors
    /// When the file was cut or changed.
    pub(crate) fn next(&mut self, n: usize) -> anyhow::Result<Vec<PortableItem>> {
        let mut out = Vec::new();
        while out.len() < n && !self.ended {
            let at = self.items + 2;
            let line = line(&mut self.from)
                .with_context(|| format!("line {at} cannot be read: the file was cut or damaged"))?
                .with_context(|| {
                    format!("the file ends after line {}, without its trailer: it was cut", at - 1)
                })?;
            if line.starts_with(b"{\"end\":") {
                self.end(&line)?;
                break;
            }
            let item = serde_json::from_slice(&line)
                .with_context(|| format!("line {at} is no item: the file was cut or damaged"))?;
            self.sha256.update(&line);
            self.items += 1;
            out.push(item);
        }
        Ok(out)
    }

    fn end(&mut self, text: &[u8]) -> anyhow::Result<()> {
        let Trailer { end } = serde_json::from_slice(text).context("the trailer cannot be read")?;
        let found = hex(&self.sha256.clone().finalize());
        if (end.items, end.sha256.as_str()) != (self.items, found.as_str()) {
            bail!(
                "the file was changed: its trailer tells of {} items, {} were read, and the digests {}",
                end.items,
                self.items,
                if end.sha256 == found { "agree" } else { "differ" }
            );
        }
        if line(&mut self.from)?.is_some() {
            bail!("there is something behind the trailer: the file was changed");
        }
        self.ended = true;
        Ok(())
    }
}

/// A line with its end; `None` at the end of the file. One that was cut has no end.
fn line(from: &mut dyn BufRead) -> anyhow::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    from.take(MAX_LINE).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.last() != Some(&b'\n') {
        bail!("a line has no end");
    }
    Ok(Some(line))
}

/// Where a backup goes: `-` is standard output, a file is for its owner's eyes.
///
/// # Errors
/// When it cannot be made.
pub(crate) fn create(path: &Path) -> anyhow::Result<Box<dyn Write>> {
    if path == Path::new("-") {
        return Ok(Box::new(BufWriter::new(std::io::stdout())));
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).with_context(|| format!("{} cannot be written", path.display()))?;
    Ok(Box::new(BufWriter::new(file)))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::sync::{Arc, Mutex};

    use posthaste_core::portable::{PortableItem, PortableRecord};
    use posthaste_core::{Json, RecordKind};

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("whole").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn item(n: i64) -> PortableItem {
        PortableItem::Record(PortableRecord {
            kind: RecordKind::Setting,
            name: format!("line\n{n}\u{1f}"),
            version: 1,
            updated_at: Timestamp::from_millis(n),
            body: Json::from_trusted("{\"a\":[1]}".into()),
        })
    }

    fn backup(gzip: Option<Compression>) -> Vec<u8> {
        let to = Shared::default();
        let header = Header {
            posthaste_backup: PORTABLE_VERSION,
            version: "0".into(),
            store: "s".into(),
            made_at: Timestamp::from_millis(0),
            tasks: 0,
        };
        let mut writer = Writer::new(Box::new(to.clone()), gzip, &header).expect("begins");
        writer.add(&[item(1), item(2), item(3)]).expect("takes items");
        writer.finish().expect("ends");
        to.0.lock().expect("whole").clone()
    }

    fn read(bytes: Vec<u8>) -> anyhow::Result<Vec<PortableItem>> {
        let mut reader = Reader::new(Cursor::new(bytes))?;
        let mut out = Vec::new();
        loop {
            let some = reader.next(2)?;
            if some.is_empty() {
                return Ok(out);
            }
            out.extend(some);
        }
    }

    #[test]
    fn a_backup_reads_back_and_one_that_was_cut_anywhere_is_noticed() {
        for gzip in [None, Some(Compression::fast())] {
            let whole = backup(gzip);
            assert_eq!(read(whole.clone()).expect("whole"), [item(1), item(2), item(3)]);
            for cut in 0..whole.len() {
                assert!(read(whole[..cut].to_vec()).is_err(), "{cut} of {} bytes", whole.len());
            }
        }
    }

    #[test]
    fn a_changed_file_is_noticed() {
        let text = String::from_utf8(backup(None)).expect("text");
        for (from, to) in [("\"version\":1", "\"version\":2"), ("\"items\":3", "\"items\":4")] {
            assert!(read(text.replacen(from, to, 1).into_bytes()).is_err(), "{from}");
        }
        assert!(read(format!("{text}{{}}\n").into_bytes()).is_err());
        assert!(read(b"{\"to\":\"a\"}\n".to_vec()).is_err());
        let newer = text.replacen("\"posthaste_backup\":1", "\"posthaste_backup\":99", 1);
        assert!(read(newer.into_bytes()).expect_err("newer").to_string().contains("newer program"));
    }
}
