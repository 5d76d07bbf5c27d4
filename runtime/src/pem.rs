//! Certificates in PEM form, as texts.
//!
//! **Invariant:** what is taken for certificates holds nothing else.

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// The certificates of a PEM text, each with one line break after every line.
///
/// Texts between the blocks are refused where PEM allows them: nobody needs them, and a key that went astray is one.
pub(crate) fn blocks(text: &str) -> Result<Vec<String>, String> {
    let mut blocks = Vec::new();
    let mut open: Option<String> = None;
    for (number, line) in text.lines().map(str::trim).enumerate() {
        let at = number + 1;
        match &mut open {
            None if line.is_empty() => {}
            None if line == BEGIN => open = Some(format!("{BEGIN}\n")),
            None => return Err(format!("line {at} is outside of a CERTIFICATE block")),
            Some(block) if line == END && block.len() <= BEGIN.len() + 1 => {
                return Err(format!("the CERTIFICATE block that ends at line {at} is empty"));
            }
            Some(block) if line == END => {
                block.push_str(END);
                block.push('\n');
                blocks.extend(open.take());
            }
            Some(_) if line.starts_with("-----") => {
                return Err(format!("line {at} is within a CERTIFICATE block that has no end"));
            }
            Some(_) if !line.chars().all(is_base64) => {
                return Err(format!("line {at} is not base64"));
            }
            // Go's decoder knows no empty lines within a block.
            Some(_) if line.is_empty() => {}
            Some(block) => {
                block.push_str(line);
                block.push('\n');
            }
        }
    }
    match open {
        Some(_) => Err("the last CERTIFICATE block has no end".to_owned()),
        None => Ok(blocks),
    }
}

fn is_base64(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "+/=".contains(letter)
}
