//! How a report looks: Markdown, HTML, JSON.

use super::report::{Block, Report, Section};
use super::words::{Language, Words};
use crate::html::{escaped, with_code};
use crate::operate::printable;
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// As Markdown.
pub fn markdown(report: &Report, language: Language) -> String {
    let say = |words: &Words| printable(words.in_language(language));
    let mut text = format!("# {}\n", say(&report.title));
    markdown_blocks(&mut text, &report.intro, &say);
    for Section { title, blocks, .. } in &report.sections {
        let _ = write!(text, "\n## {}\n", say(title));
        markdown_blocks(&mut text, blocks, &say);
    }
    text
}

fn markdown_blocks(text: &mut String, blocks: &[Block], say: &dyn Fn(&Words) -> String) {
    let row = |cells: &[Words]| {
        let cells: Vec<String> = cells.iter().map(|cell| say(cell).replace('|', "\\|")).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    for block in blocks {
        text.push('\n');
        match block {
            Block::Heading(words) => {
                let _ = writeln!(text, "### {}", say(words));
            }
            Block::Text(words) => {
                let _ = writeln!(text, "{}", say(words));
            }
            Block::List(items) => {
                for item in items {
                    let _ = writeln!(text, "- {}", say(item));
                }
            }
            Block::Table { head, rows } => {
                text.push_str(&row(head));
                let _ = writeln!(text, "|{}", "---|".repeat(head.len()));
                for cells in rows {
                    text.push_str(&row(cells));
                }
            }
        }
    }
}

/// As JSON, in one language: what Markdown says, for programs.
pub fn json(report: &Report, language: Language) -> Value {
    let say = |words: &Words| words.in_language(language).to_owned();
    let blocks = |blocks: &[Block]| -> Vec<Value> {
        let value = |block: &Block| match block {
            Block::Heading(words) => json!({"kind": "heading", "text": say(words)}),
            Block::Text(words) => json!({"kind": "text", "text": say(words)}),
            Block::List(items) => json!({"kind": "list", "items": items.iter().map(say).collect::<Vec<_>>()}),
            Block::Table { head, rows } => json!({
                "kind": "table",
                "head": head.iter().map(say).collect::<Vec<_>>(),
                "rows": rows.iter().map(|row| row.iter().map(say).collect::<Vec<_>>()).collect::<Vec<_>>(),
            }),
        };
        blocks.iter().map(value).collect()
    };
    let sections: Vec<Value> = report
        .sections
        .iter()
        .map(|section| json!({"id": section.id, "title": say(&section.title), "blocks": blocks(&section.blocks)}))
        .collect();
    json!({
        "language": language.code(),
        "title": say(&report.title),
        "intro": blocks(&report.intro),
        "sections": sections,
    })
}

/// The style of the page.
pub const STYLE: &str = include_str!("privacy.css");

/// Everything that a page may load (Content-Security-Policy): nothing but its own style, and that only as it is.
pub fn policy() -> String {
    let hash = BASE64_STANDARD.encode(digest::digest(&digest::SHA256, STYLE.as_bytes()));
    format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'")
}

/// As a page without scripts. `other` is the link to the other language, if it is to be had.
pub fn html(report: &Report, language: Language, other: Option<&str>) -> String {
    let say = |words: &Words| with_code(&escaped(words.in_language(language)));
    let code = language.code();
    let title = say(&report.title);
    let policy = policy();
    let mut page = format!(
        "<!doctype html>\n<html lang=\"{code}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"content-security-policy\" content=\"{policy}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
    );
    if let Some(link) = other {
        let (code, name) = (language.other().code(), language.other().name());
        let _ = writeln!(
            page,
            "<nav><a href=\"{link}\" lang=\"{code}\" hreflang=\"{code}\">{name}</a></nav>"
        );
    }
    let _ = writeln!(page, "<main>\n<h1>{title}</h1>");
    html_blocks(&mut page, &report.intro, "", &say);
    for section in &report.sections {
        let (id, title) = (section.id, say(&section.title));
        let _ = writeln!(
            page,
            "<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{title}</h2>"
        );
        html_blocks(&mut page, &section.blocks, id, &say);
        page.push_str("</section>\n");
    }
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

/// Tables say their roles themselves: on a narrow screen the style stacks their cells, and some browsers then forget that they are
/// tables. `labelled` is the id of their heading.
fn html_blocks(page: &mut String, blocks: &[Block], labelled: &str, say: &dyn Fn(&Words) -> String) {
    for block in blocks {
        match block {
            Block::Heading(words) => {
                let _ = writeln!(page, "<h3>{}</h3>", say(words));
            }
            Block::Text(words) => {
                let _ = writeln!(page, "<p>{}</p>", say(words));
            }
            Block::List(items) => {
                page.push_str("<ul>\n");
                for item in items {
                    let _ = writeln!(page, "<li>{}</li>", say(item));
                }
                page.push_str("</ul>\n");
            }
            Block::Table { head, rows } => {
                let _ = write!(
                    page,
                    "<table role=\"table\" aria-labelledby=\"{labelled}\">\n<thead role=\"rowgroup\"><tr role=\"row\">"
                );
                for cell in head {
                    let _ = write!(page, "<th role=\"columnheader\" scope=\"col\">{}</th>", say(cell));
                }
                page.push_str("</tr></thead>\n<tbody role=\"rowgroup\">\n");
                for cells in rows {
                    page.push_str("<tr role=\"row\">");
                    for (number, (cell, head)) in cells.iter().zip(head).enumerate() {
                        let text = say(cell);
                        let _ = match number {
                            0 => write!(page, "<th role=\"rowheader\" scope=\"row\">{text}</th>"),
                            // The name of the column, as the style shows it on a narrow screen.
                            _ => write!(
                                page,
                                "<td role=\"cell\"><span class=\"column\" aria-hidden=\"true\">{}</span>{text}</td>",
                                say(head)
                            ),
                        };
                    }
                    page.push_str("</tr>\n");
                }
                page.push_str("</tbody>\n</table>\n");
            }
        }
    }
}
