//! The slot of a key in a Cluster: CRC16 (XMODEM) of its hash tag, modulo 16,384 (Redis Cluster specification).

/// How many slots a Cluster has.
pub(crate) const SLOTS: usize = 16_384;

const TABLE: [u16; 256] = table();

const fn table() -> [u16; 256] {
    let mut table = [0_u16; 256];
    let mut index = 0;
    while index < 256 {
        let mut crc = (index as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
}

/// CRC16 with the polynomial 0x1021 and no initial value.
pub(crate) fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| (crc << 8) ^ TABLE[usize::from((crc >> 8) as u8 ^ byte)])
}

/// The part of a key that decides its slot: what stands between the first `{` and the next `}`, else all of it.
fn hashed(key: &[u8]) -> &[u8] {
    let Some(open) = key.iter().position(|byte| *byte == b'{') else { return key };
    match key[open + 1..].iter().position(|byte| *byte == b'}') {
        Some(length) if length > 0 => &key[open + 1..open + 1 + length],
        _ => key,
    }
}

/// The slot of a key.
pub(crate) fn slot_of(key: &[u8]) -> u16 {
    crc16(hashed(key)) % SLOTS as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31C3);
        assert_eq!(slot_of(b"123456789"), 12_739);
    }

    #[test]
    fn only_a_hash_tag_that_is_not_empty_counts() {
        assert_eq!(slot_of(b"ph:{main:7}:t"), slot_of(b"main:7"));
        assert_eq!(slot_of(b"{a}{b}"), slot_of(b"a"));
        assert_eq!(slot_of(b"x{}y"), crc16(b"x{}y") % 16_384);
        assert_eq!(slot_of(b"x{y"), crc16(b"x{y") % 16_384);
        assert_eq!(slot_of(b""), 0);
    }
}
