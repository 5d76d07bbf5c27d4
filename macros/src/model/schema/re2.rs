//! Patterns as the server reads them: RE2, which has neither look-around nor references to groups.

/// Says what the server would refuse. What is not told here, the check of the whole definition tells.
pub(super) fn check(pattern: &str) -> Result<(), String> {
    let letters: Vec<char> = pattern.chars().collect();
    let (mut at, mut open, mut in_class) = (0, 0_u32, false);
    while let Some(&letter) = letters.get(at) {
        let next = letters.get(at + 1).copied();
        match letter {
            '\\' => {
                match next {
                    None => {
                        return Err("the pattern ends in a backslash; write `\\\\\\\\` for one".to_owned());
                    }
                    Some(digit @ '1'..='9') if !in_class => {
                        return Err(format!(
                            "the server's patterns are RE2, which has no reference to a group, as `\\{digit}`"
                        ));
                    }
                    Some(other @ ('Z' | 'G' | 'K' | 'R' | 'X' | 'h' | 'H' | 'N')) => {
                        return Err(format!(
                            "the server's patterns are RE2, which does not know `\\{other}`"
                        ));
                    }
                    Some(_) => {}
                }
                at += 1;
            }
            '[' if !in_class => {
                in_class = true;
                // A bracket that comes first is one of the class.
                if letters.get(at + 1) == Some(&'^') {
                    at += 1;
                }
                if letters.get(at + 1) == Some(&']') {
                    at += 1;
                }
            }
            ']' if in_class => in_class = false,
            '(' if !in_class => {
                open += 1;
                if next == Some('?') {
                    group(&letters[at + 2..])?;
                    at += 1;
                }
            }
            ')' if !in_class => {
                open = open
                    .checked_sub(1)
                    .ok_or("the pattern closes a group that it did not open")?;
            }
            '*' | '+' | '?' if !in_class => {
                if at == 0 || matches!(letters[at - 1], '(' | '|') && !escaped(&letters, at - 1) {
                    return Err(format!(
                        "`{letter}` in the pattern repeats nothing; write `\\\\{letter}` for the letter"
                    ));
                }
                if next == Some('+') {
                    return Err(format!("the server's patterns are RE2, which has no `{letter}+`"));
                }
            }
            _ => {}
        }
        at += 1;
    }
    if in_class {
        return Err("the pattern opens a class with `[` and does not close it".to_owned());
    }
    if open > 0 {
        return Err("the pattern opens a group with `(` and does not close it".to_owned());
    }
    Ok(())
}

fn escaped(letters: &[char], at: usize) -> bool {
    letters[..at]
        .iter()
        .rev()
        .take_while(|letter| **letter == '\\')
        .count()
        % 2
        == 1
}

/// What follows `(?`.
fn group(rest: &[char]) -> Result<(), String> {
    let look = |what: &str, form: &str| {
        Err(format!(
            "the server's patterns are RE2, which has no {what} (`{form}`); write a rule: `validation = \"...\"`"
        ))
    };
    match rest {
        ['=', ..] => look("look-ahead", "(?=...)"),
        ['!', ..] => look("look-ahead", "(?!...)"),
        ['<', '=', ..] => look("look-behind", "(?<=...)"),
        ['<', '!', ..] => look("look-behind", "(?<!...)"),
        ['>', ..] => look("atomic groups", "(?>...)"),
        ['#', ..] => look("comments", "(?#...)"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn what_re2_has_and_what_it_has_not() {
        for good in [
            "",
            "^a+$",
            "a+?",
            "[a-z]*",
            "[]a]",
            "[^]]",
            r"\d{1,3}",
            "(?i)a",
            "(?:a|b)",
            "(?P<x>a)",
            r"\(",
            "[(]",
            r"\\1",
            "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
            r"[\d]",
            "a{2}",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in [
            "(?=a)", "(?!a)", "(?<=a)", "(?<!a)", r"(a)\1", "a++", "a*+", "(", ")", "[a", "*a", "(|*)", r"\",
            r"\Z", "(?>a)",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
