//! Reads JSON without changing a character of what it reads.

use super::Node;

pub(super) struct Reader<'t> {
    pub(super) rest: &'t str,
}

impl<'t> Reader<'t> {
    pub(super) fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn take(&mut self, mark: char) -> bool {
        self.skip_space();
        let after = self.rest.strip_prefix(mark);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    pub(super) fn value(&mut self, depth: u8) -> Option<Node<'t>> {
        self.skip_space();
        match self.rest.as_bytes().first()? {
            b'{' => self.members(depth.checked_sub(1)?),
            b'[' => self.items(depth.checked_sub(1)?),
            b'"' => self.string().map(Node::Text),
            _ => self.scalar(),
        }
    }

    fn members(&mut self, depth: u8) -> Option<Node<'t>> {
        let mut members = Vec::new();
        self.take('{');
        if self.take('}') {
            return Some(Node::Object(members));
        }
        loop {
            self.skip_space();
            let name = self.string()?;
            if !self.take(':') {
                return None;
            }
            members.push((name, self.value(depth)?));
            if self.take('}') {
                return Some(Node::Object(members));
            }
            if !self.take(',') {
                return None;
            }
        }
    }

    fn items(&mut self, depth: u8) -> Option<Node<'t>> {
        let mut items = Vec::new();
        self.take('[');
        if self.take(']') {
            return Some(Node::List(items));
        }
        loop {
            items.push(self.value(depth)?);
            if self.take(']') {
                return Some(Node::List(items));
            }
            if !self.take(',') {
                return None;
            }
        }
    }

    pub(super) fn string(&mut self) -> Option<&'t str> {
        let inner = self.rest.strip_prefix('"')?;
        let mut escaped = false;
        for (index, byte) in inner.bytes().enumerate() {
            match byte {
                b'"' if !escaped => {
                    self.rest = &inner[index + 1..];
                    return Some(&inner[..index]);
                }
                _ => escaped = byte == b'\\' && !escaped,
            }
        }
        None
    }

    fn scalar(&mut self) -> Option<Node<'t>> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        let (scalar, rest) = self.rest.split_at(end);
        self.rest = rest;
        let is_word = matches!(scalar, "true" | "false" | "null");
        let is_number = scalar.parse::<f64>().is_ok() && scalar.bytes().any(|b| b.is_ascii_digit());
        (is_word || is_number).then_some(Node::Scalar(scalar))
    }
}
