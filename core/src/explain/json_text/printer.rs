//! Prints JSON in a style.

use super::{Escapes, Layout, MAX_PRINTED_BYTES, Node, Numbers, Rules, Style, unescaped};

pub(super) struct Printer {
    pub(super) out: String,
    pub(super) style: Style,
}

impl Printer {
    pub(super) fn node(&mut self, node: &Node<'_>, depth: usize) {
        match node {
            Node::Scalar(text) => number(&mut self.out, text, self.style.numbers),
            Node::Text(raw) => quoted(&mut self.out, raw, self.style.escapes),
            Node::List(items) => {
                self.group(('[', ']'), items.iter(), depth, |printer, item| {
                    printer.node(item, depth + 1);
                });
            }
            Node::Object(members) if self.style.sorted => {
                let mut members: Vec<_> = members.iter().collect();
                members.sort_by_key(|(name, _)| *name);
                self.members(members.into_iter(), depth);
            }
            Node::Object(members) => self.members(members.iter(), depth),
        }
    }

    fn members<'n, 't: 'n>(
        &mut self,
        members: impl ExactSizeIterator<Item = &'n (&'t str, Node<'t>)>,
        depth: usize,
    ) {
        self.group(('{', '}'), members, depth, |printer, (name, value)| {
            quoted(&mut printer.out, name, printer.style.escapes);
            printer.out.push(':');
            if printer.style.layout != Layout::Compact {
                printer.out.push(' ');
            }
            printer.node(value, depth + 1);
        });
    }

    fn group<T>(
        &mut self,
        (open, close): (char, char),
        items: impl ExactSizeIterator<Item = T>,
        depth: usize,
        mut print: impl FnMut(&mut Self, T),
    ) {
        self.out.push(open);
        let is_empty = items.len() == 0;
        for (index, item) in items.enumerate() {
            if self.out.len() > MAX_PRINTED_BYTES {
                break;
            }
            if index > 0 {
                self.out.push(',');
            }
            self.gap(depth + 1, index == 0);
            print(self, item);
        }
        if !is_empty {
            self.end_of_group(depth);
        }
        self.out.push(close);
    }

    /// What stands before an item.
    fn gap(&mut self, depth: usize, is_first: bool) {
        match self.style.layout {
            Layout::Lines { .. } => self.line(depth),
            Layout::Spaced if !is_first => self.out.push(' '),
            _ => {}
        }
    }

    fn end_of_group(&mut self, depth: usize) {
        if matches!(self.style.layout, Layout::Lines { .. }) {
            self.line(depth);
        }
    }

    fn line(&mut self, depth: usize) {
        if let Layout::Lines { indent, end } = self.style.layout {
            self.out.push_str(end);
            self.out.extend(std::iter::repeat_n(indent, depth));
        }
    }
}

fn number(out: &mut String, text: &str, numbers: Numbers) {
    let is_whole = !text.contains(['.', 'e', 'E']);
    match (numbers, text.parse::<f64>()) {
        (Numbers::Short, Ok(value)) if !is_whole && value.abs() < 1e21 => {
            out.push_str(&value.to_string());
        }
        (Numbers::Float, Ok(value)) if !is_whole => out.push_str(&format!("{value:?}")),
        _ => out.push_str(text),
    }
}

pub(super) fn quoted(out: &mut String, raw: &str, escapes: Escapes) {
    out.push('"');
    match escapes {
        Escapes::Kept => out.push_str(raw),
        Escapes::LowerHex => recased(out, raw, char::to_ascii_lowercase),
        Escapes::UpperHex => recased(out, raw, char::to_ascii_uppercase),
        Escapes::Written(rules) => match unescaped(raw) {
            Some(text) => text.chars().for_each(|c| rules.write(out, c)),
            None => out.push_str(raw),
        },
    }
    out.push('"');
}

/// Sets the case of the hexadecimal digits in escapes.
fn recased(out: &mut String, raw: &str, case: fn(&char) -> char) {
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        out.push(c);
        if c != '\\' {
            continue;
        }
        match chars.next() {
            Some('u') => {
                out.push('u');
                out.extend(chars.by_ref().take(4).map(|digit| case(&digit)));
            }
            other => out.extend(other),
        }
    }
}

impl Rules {
    fn write(self, out: &mut String, c: char) {
        let short = match c {
            '"' if !self.quotes => Some('"'),
            '\\' => Some('\\'),
            '/' if self.slash => Some('/'),
            '\u{8}' => Some('b'),
            '\u{c}' => Some('f'),
            '\n' => Some('n'),
            '\r' => Some('r'),
            '\t' => Some('t'),
            _ => None,
        };
        match short {
            Some(letter) => out.extend(['\\', letter]),
            None if self.escapes(c) => self.write_code(out, c),
            None => out.push(c),
        }
    }

    fn escapes(self, c: char) -> bool {
        match c {
            '\0'..='\u{1f}' => true,
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' if self.html => true,
            '"' | '\'' | '+' | '`' => self.quotes,
            '\u{7f}' => self.quotes,
            _ => self.non_ascii && !c.is_ascii(),
        }
    }

    fn write_code(self, out: &mut String, c: char) {
        for unit in c.encode_utf16(&mut [0; 2]) {
            let code = match self.upper {
                true => format!("\\u{unit:04X}"),
                false => format!("\\u{unit:04x}"),
            };
            out.push_str(&code);
        }
    }
}
