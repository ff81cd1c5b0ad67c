//! Layout of plain text: lines, quotes, lists and cells.
//!
//! White space collapses as it does in a browser, and the separator of two words (a space, a
//! tabulator, a line end, an empty line) is decided when the second one is written: so nothing ends
//! in white space, and blocks that end together leave one empty line.
//!
//! Independent of HTML. Each character has a constant cost, and quotes and lists a constant for
//! each line.
//!
//! Standard: WHATWG HTML section 3.2.7 (`innerText`), for line breaks and tabulators; RFC 3676
//! section 4.5 (quotes).

/// Quote marks and indents beyond these are not written: otherwise the text would grow with depth
/// times length.
const MOST_QUOTES: usize = 8;
const MOST_INDENT: usize = 24;
/// No-break spaces are kept; more of them in a row become one.
const MOST_HARD: usize = 8;

/// The position of the next word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Here,
    NextCell,
    /// After that many line ends.
    Line(usize),
}

/// White space and zero-width characters since the last word.
#[derive(Clone, Copy, Debug, Default)]
struct Gap {
    soft: bool,
    hard: usize,
    without_width: usize,
    last: char,
}

/// A text that is being written.
#[derive(Debug)]
pub struct Layout {
    out: String,
    place: Place,
    gap: Gap,
    /// A cell or an item has just begun, and nothing was written since.
    is_fresh: bool,
    newlines: usize,
    /// The quote depth of the last line.
    quoted: usize,
    marker: Option<String>,
    phrase: Option<usize>,
    /// The quote depth of the next word.
    pub quotes: usize,
    /// The indent, in columns.
    pub indent: usize,
}

/// An open table cell.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    written: usize,
    newlines: usize,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            out: String::new(),
            place: Place::Line(0),
            gap: Gap::default(),
            is_fresh: false,
            newlines: 0,
            quoted: 0,
            marker: None,
            phrase: None,
            quotes: 0,
            indent: 0,
        }
    }
}

impl Layout {
    /// Writes text with collapsed white space.
    pub fn words(&mut self, text: &str) {
        for character in text.chars() {
            match character {
                ' ' | '\t' | '\n' | '\r' | '\u{c}' => self.gap.soft = true,
                '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' => self.gap.hard += 1,
                '\u{ad}'
                | '\u{34f}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200d}'
                | '\u{2060}'
                | '\u{feff}' => {
                    self.gap.without_width += 1;
                    self.gap.last = character;
                }
                _ if character.is_control() => {}
                _ => {
                    self.arrive();
                    self.out.push(character);
                }
            }
        }
    }

    /// Writes text unchanged.
    pub fn verbatim(&mut self, text: &str) {
        for (index, line) in text.split('\n').enumerate() {
            if index > 0 {
                self.place = match self.place {
                    Place::Line(ends) => Place::Line(ends + 1),
                    Place::Here | Place::NextCell => Place::Line(1),
                };
                self.is_fresh = false;
                self.gap = Gap::default();
            }
            if !line.trim().is_empty() || self.place == Place::Here {
                self.arrive();
                self.out.extend(line.chars().filter(|c| *c == '\t' || !c.is_control()));
            }
        }
    }

    /// Puts the next word on a new line; with two, after an empty line.
    pub fn lines(&mut self, ends: usize) {
        if !self.is_fresh {
            self.lines_at_least(ends);
        }
        self.gap = Gap::default();
    }

    /// The same, also where a cell or an item has just begun.
    pub fn lines_at_least(&mut self, ends: usize) {
        self.place = match self.place {
            // A line of only a no-break space is an empty line.
            Place::Line(_) if self.gap.hard > 0 => Place::Line(2),
            Place::Line(before) => Place::Line(ends.max(before.min(2))),
            Place::Here | Place::NextCell => Place::Line(ends),
        };
        self.gap = Gap::default();
    }

    /// `<br>`.
    pub fn end_line(&mut self) {
        if !self.is_fresh {
            self.place = match self.place {
                Place::Line(ends) => Place::Line((ends + 1).min(2)),
                Place::Here | Place::NextCell => Place::Line(1),
            };
        }
        self.gap = Gap::default();
    }

    /// Begins a list item with this mark.
    pub fn item(&mut self, marker: String) {
        self.lines(1);
        self.marker = Some(marker);
        self.is_fresh = true;
    }

    pub fn end_item(&mut self) {
        self.is_fresh = false;
        self.marker = None;
        self.lines(1);
    }

    pub fn cell(&mut self) -> Cell {
        if self.place == Place::Here {
            self.place = Place::NextCell;
        }
        self.gap = Gap::default();
        self.is_fresh = true;
        let coming = if let (Place::Line(ends), false) = (self.place, self.out.is_empty()) {
            ends
        } else {
            0
        };
        Cell { written: self.out.len(), newlines: self.newlines + coming }
    }

    /// Ends a cell: if it is one line, whatever its blocks, the next cell continues that line.
    pub fn end_cell(&mut self, cell: Cell) {
        self.is_fresh = false;
        if self.out.len() > cell.written {
            if self.newlines <= cell.newlines {
                self.place = Place::NextCell;
            } else if self.place == Place::Here {
                self.place = Place::Line(1);
            }
        }
        self.gap = Gap::default();
    }

    pub fn row(&mut self) {
        self.lines(1);
    }

    pub fn end_row(&mut self) {
        self.is_fresh = false;
        self.lines(1);
    }

    /// Marks the start of [`Self::phrase`].
    pub fn begin_phrase(&mut self) {
        self.phrase = None;
    }

    /// The text from the first word after [`Self::begin_phrase`] to the last, with line ends.
    pub fn phrase(&self) -> &str {
        self.phrase.and_then(|start| self.out.get(start..)).unwrap_or_default()
    }

    /// Appends to the last word, whatever comes next.
    pub fn beside(&mut self, text: &str) {
        self.out.push(' ');
        self.out.push_str(text);
    }

    pub fn finish(mut self) -> String {
        self.out.truncate(self.out.trim_end().len());
        self.out
    }

    /// Writes the separator before the next word.
    fn arrive(&mut self) {
        match self.place {
            Place::Here => self.space(),
            Place::NextCell => {
                self.out.push('\t');
                self.out.push_str(&self.marker.take().unwrap_or_default());
            }
            Place::Line(ends) => self.begin_line(ends),
        }
        self.gap = Gap::default();
        self.place = Place::Here;
        self.is_fresh = false;
        self.phrase.get_or_insert(self.out.len());
    }

    fn space(&mut self) {
        let Gap { soft, hard, without_width, last } = self.gap;
        match (without_width, hard) {
            // A joiner between two letters is significant, as in Persian and in emoji.
            (1, 0) if !soft => self.out.push(last),
            (0, 2..=MOST_HARD) => self.out.extend(std::iter::repeat_n(' ', hard)),
            _ if soft || hard > 0 => self.out.push(' '),
            _ => {}
        }
    }

    fn begin_line(&mut self, ends: usize) {
        if !self.out.is_empty() {
            // An empty line has the lower of both quote depths.
            let between = self.quotes.min(self.quoted);
            for end in 0..ends {
                if end > 0 {
                    self.quote(between);
                    self.out.truncate(self.out.trim_end_matches(' ').len());
                }
                self.out.push('\n');
                self.newlines += 1;
            }
        }
        self.quote(self.quotes);
        self.quoted = self.quotes;
        let marker = self.marker.take().unwrap_or_default();
        let hard = if self.gap.without_width == 0 && (2..=MOST_HARD).contains(&self.gap.hard) {
            self.gap.hard
        } else {
            0
        };
        let indent = self.indent.min(MOST_INDENT).saturating_sub(marker.len()) + hard;
        self.out.extend(std::iter::repeat_n(' ', indent));
        self.out.push_str(&marker);
    }

    fn quote(&mut self, depth: usize) {
        for _ in 0..depth.min(MOST_QUOTES) {
            self.out.push_str("> ");
        }
    }
}
