//! What several fuzz targets need: a genuine text with small changes that the input describes.

/// `genuine` after the changes that `edits` describes, four bytes each: what to do, where (two bytes), and with
/// which byte. A fuzzer that changes one byte of `edits` stays close to what is genuine.
pub fn edited(genuine: &[u8], edits: &[u8]) -> Vec<u8> {
    let mut bytes = genuine.to_vec();
    for edit in edits.as_chunks::<4>().0 {
        let [what, high, low, byte] = *edit;
        let at = usize::from(u16::from_be_bytes([high, low])) % (bytes.len() + 1);
        match what % 6 {
            0 => bytes.insert(at, byte),
            1 => bytes.truncate(at),
            _ if at == bytes.len() => bytes.push(byte),
            2 => bytes[at] = byte,
            3 => bytes[at] ^= 1 << (byte % 8),
            4 => drop(bytes.remove(at)),
            _ => bytes[at..].rotate_left(1),
        }
    }
    bytes
}

/// [`edited`] for a text; what is no UTF-8 any more is replaced.
pub fn edited_text(genuine: &str, edits: &[u8]) -> String {
    text(&edited(genuine.as_bytes(), edits))
}

/// The input as a text; what is no UTF-8 is replaced.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
