//! Content codings of answers. None is asked for; some backends encode all the same.
//!
//! A small answer can decode to gigabytes, so no more is ever decoded than an answer may have.

use std::io::{self, Read};

use brotli_decompressor::Decompressor;
use bytes::Bytes;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::{HeaderMap, header};

use super::FailureKind;

/// The largest window of Zstandard, as a power of two: 8 MiB, as RFC 9659 has it for HTTP.
const ZSTD_WINDOW: u32 = 23;

/// How much Brotli reads at a time.
const BROTLI_BUFFER: usize = 4096;

/// How an answer's body is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

impl Coding {
    /// The coding that an answer's head names; two on top of each other are none that is known.
    pub fn of(headers: &HeaderMap) -> Result<Option<Self>, FailureKind> {
        let mut found = None;
        for value in headers.get_all(header::CONTENT_ENCODING) {
            for name in value.to_str().map_err(|_| FailureKind::Malformed)?.split(',') {
                let coding = match name.trim().to_ascii_lowercase().as_str() {
                    "" | "identity" => continue,
                    "gzip" | "x-gzip" => Self::Gzip,
                    "deflate" => Self::Deflate,
                    "br" => Self::Brotli,
                    "zstd" => Self::Zstd,
                    _ => return Err(FailureKind::Malformed),
                };
                if found.replace(coding).is_some() {
                    return Err(FailureKind::Malformed);
                }
            }
        }
        Ok(found)
    }

    /// The decoded body, of `bound` bytes at most.
    pub fn decode(self, body: &Bytes, bound: usize) -> Result<Bytes, FailureKind> {
        let body = body.as_ref();
        if body.is_empty() {
            return Ok(Bytes::new());
        }
        match self {
            Self::Gzip => read(MultiGzDecoder::new(body), bound),
            // By the standard it is zlib's format; some send the bare one that the name promises.
            Self::Deflate => match read(ZlibDecoder::new(body), bound) {
                Err(FailureKind::Malformed) => read(DeflateDecoder::new(body), bound),
                other => other,
            },
            Self::Brotli => read(Decompressor::new(body, BROTLI_BUFFER), bound),
            Self::Zstd => read(zstd_decoder(body).map_err(|_| FailureKind::Malformed)?, bound),
        }
    }
}

fn zstd_decoder(body: &[u8]) -> io::Result<impl Read> {
    let mut decoder = zstd::stream::read::Decoder::new(body)?;
    decoder.window_log_max(ZSTD_WINDOW)?;
    Ok(decoder)
}

fn read(decoder: impl Read, bound: usize) -> Result<Bytes, FailureKind> {
    let mut decoded = Vec::new();
    let limit = u64::try_from(bound).unwrap_or(u64::MAX).saturating_add(1);
    decoder.take(limit).read_to_end(&mut decoded).map_err(|_| FailureKind::Malformed)?;
    if decoded.len() > bound { Err(FailureKind::TooLarge) } else { Ok(decoded.into()) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use http::HeaderValue;

    use super::*;

    fn encoded(coding: Coding, plain: &[u8]) -> Bytes {
        match coding {
            Coding::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
                encoder.write_all(plain).unwrap();
                encoder.finish().unwrap().into()
            }
            Coding::Deflate => {
                let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
                encoder.write_all(plain).unwrap();
                encoder.finish().unwrap().into()
            }
            Coding::Zstd => zstd::encode_all(plain, 3).unwrap().into(),
            Coding::Brotli => {
                let mut encoded = Vec::new();
                let mut plain = plain;
                brotli::BrotliCompress(
                    &mut plain,
                    &mut encoded,
                    &brotli::enc::BrotliEncoderParams::default(),
                )
                .unwrap();
                encoded.into()
            }
        }
    }

    #[test]
    fn what_was_encoded_is_decoded() {
        for coding in [Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd] {
            let body = encoded(coding, b"{\"a\":1}");
            assert_eq!(coding.decode(&body, 7).unwrap(), "{\"a\":1}", "{coding:?}");
            assert_eq!(coding.decode(&body, 6), Err(FailureKind::TooLarge), "{coding:?}");
            assert_eq!(coding.decode(&Bytes::new(), 6).unwrap(), "", "{coding:?}");
        }
        let mut bare = DeflateEncoder::new(Vec::new(), Compression::best());
        bare.write_all(b"{}").unwrap();
        assert_eq!(Coding::Deflate.decode(&bare.finish().unwrap().into(), 9).unwrap(), "{}");
    }

    #[test]
    fn a_bomb_is_decoded_no_further_than_its_bound() {
        let zeros = vec![0; 16 << 20];
        for coding in [Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd] {
            let bomb = encoded(coding, &zeros);
            assert!(bomb.len() < 1 << 20);
            assert_eq!(coding.decode(&bomb, 1 << 20), Err(FailureKind::TooLarge), "{coding:?}");
        }
    }

    #[test]
    fn what_is_cut_off_or_garbage_is_refused() {
        for coding in [Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd] {
            let whole = encoded(coding, b"{\"a\":1}");
            for end in 1..whole.len() - 1 {
                let cut = coding.decode(&whole.slice(..end), 99);
                assert_eq!(cut, Err(FailureKind::Malformed), "{coding:?} up to {end}");
            }
            let garbage = Bytes::from_static(b"<html>not encoded</html>");
            assert_eq!(coding.decode(&garbage, 99), Err(FailureKind::Malformed), "{coding:?}");
        }
    }

    #[test]
    fn one_coding_is_known_by_its_name_and_two_at_once_are_not() {
        for (value, expected) in [
            ("", Ok(None)),
            ("identity", Ok(None)),
            ("GZIP", Ok(Some(Coding::Gzip))),
            ("x-gzip", Ok(Some(Coding::Gzip))),
            ("identity, br", Ok(Some(Coding::Brotli))),
            ("gzip, gzip", Err(FailureKind::Malformed)),
            ("compress", Err(FailureKind::Malformed)),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(value));
            assert_eq!(Coding::of(&headers), expected, "{value}");
        }
    }
}
