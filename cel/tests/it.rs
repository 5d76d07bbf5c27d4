//! Texts through the parser: what comes out, what is said of mistakes, and that hostile ones are bounded.

use kubewright_cel::{Expr, ExprKind, Literal, Source, parse};
use serde_json::Value;

/// A tree in a short notation, to compare.
fn show(expr: &Expr) -> String {
    let all = |exprs: &[Expr]| exprs.iter().map(show).collect::<Vec<_>>().join(", ");
    match &expr.kind {
        ExprKind::Literal(Literal::String(text)) => format!("{text:?}"),
        ExprKind::Literal(Literal::Int(value)) => value.to_string(),
        ExprKind::Literal(Literal::Bool(value)) => value.to_string(),
        ExprKind::Literal(literal) => format!("{literal:?}"),
        ExprKind::Ident(name) => name.to_string(),
        ExprKind::Select {
            operand,
            field,
            test_only,
        } => {
            format!("{}.{field}{}", show(operand), if *test_only { "~" } else { "" })
        }
        ExprKind::Call {
            function,
            target: Some(target),
            args,
        } => format!("{}.{function}({})", show(target), all(args)),
        ExprKind::Call {
            function,
            target: None,
            args,
        } => format!("{function}({})", all(args)),
        ExprKind::List { elements, optional } => format!("[{}]{optional:?}", all(elements)),
        ExprKind::Map(entries) => {
            let entries = entries.iter().map(|entry| {
                format!(
                    "{}{}: {}",
                    if entry.optional { "?" } else { "" },
                    show(&entry.key),
                    show(&entry.value)
                )
            });
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
        ExprKind::Struct { name, fields } => {
            let fields = fields
                .iter()
                .map(|field| format!("{}: {}", field.name, show(&field.value)));
            format!("{name}{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
        ExprKind::Comprehension(walk) => format!(
            "fold({} as {}{}, {} = {}; {}; {}; {})",
            show(&walk.range),
            walk.var,
            walk.var2.as_ref().map_or(String::new(), |var| format!("/{var}")),
            walk.accu,
            show(&walk.init),
            show(&walk.condition),
            show(&walk.step),
            show(&walk.result)
        ),
    }
}

fn tree(text: &str) -> String {
    show(
        &parse(text)
            .unwrap_or_else(|errors| panic!("{text}: {errors}"))
            .expr,
    )
}

fn errors(text: &str) -> String {
    parse(text).expect_err(text).to_string()
}

#[test]
fn operators_bind_as_in_cel() {
    assert_eq!(tree("1 + 2 * 3 - 4"), "_-_(_+_(1, _*_(2, 3)), 4)");
    assert_eq!(tree("a < b == c"), "_==_(_<_(a, b), c)");
    assert_eq!(tree("a ? b : c ? d : e"), "_?_:_(a, b, _?_:_(c, d, e))");
    assert_eq!(tree("!a.b && -c[1]"), "_&&_(!_(a.b), -_(_[_](c, 1)))");
    assert_eq!(tree("--1"), "1");
    assert_eq!(tree("-1.f()"), "-1.f()");
    assert_eq!(tree("x in [1, ?y,]"), "@in(x, [1, y][1])");
    assert_eq!(tree("a.?b[?c]"), "_[?_](_?._(a, \"b\"), c)");
    assert_eq!(tree(".a.b{c: 1, ?d: 2}"), ".a.b{c: 1, d: 2}");
    assert_eq!(tree("{?'a': 1, 'b': 2}"), "{?\"a\": 1, \"b\": 2}");
}

#[test]
fn logical_operators_make_balanced_trees() {
    assert_eq!(tree("a && b && c"), "_&&_(_&&_(a, b), c)");
    assert_eq!(tree("a || b || c || d"), "_||_(_||_(a, b), _||_(c, d))");
}

#[test]
fn literals_have_their_values() {
    assert_eq!(tree(r"'a\n\x41\u00e9\101' "), r#""a\nAéA""#);
    assert_eq!(tree(r#"r'\n' + """x"y""""#), r#"_+_("\\n", "x\"y")"#);
    assert_eq!(tree("-9223372036854775808"), "-9223372036854775808");
    assert_eq!(tree("0xFF"), "255");
}

#[test]
fn macros_are_expanded() {
    assert_eq!(tree("has(a.b)"), "a.b~");
    assert_eq!(
        tree("l.all(x, x > 0)"),
        "fold(l as x, @result = true; @not_strictly_false(@result); _&&_(@result, _>_(x, 0)); @result)"
    );
    assert_eq!(
        tree("l.filter(x, p)"),
        "fold(l as x, @result = [][]; true; _?_:_(p, _+_(@result, [x][]), @result); @result)"
    );
    assert_eq!(
        tree("m.transformMap(k, v, p, t)"),
        "fold(m as k/v, @result = {}; true; _?_:_(p, cel.@mapInsert(@result, k, t), @result); @result)"
    );
    assert_eq!(
        tree("a.optMap(x, x + 1)"),
        "_?_:_(a.hasValue(), optional.of(fold([][] as #unused, x = a.value(); false; x; _+_(x, 1))), optional.none())"
    );
}

#[test]
fn mistakes_read_as_in_cel_go() {
    assert_eq!(
        errors("self.a > "),
        "ERROR: <input>:1:10: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', \
         'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}\n | self.a > \n | .........^"
    );
}

/// A thread with little stack, so that a recursion that follows the text's nesting would not go unseen.
#[test]
fn deep_and_long_texts_are_bounded() {
    let deep =
        |open: &str, close: &str, count: usize| format!("{}1{}", open.repeat(count), close.repeat(count));
    let texts = [
        deep("(", ")", 49_000),
        deep("[", "]", 49_000),
        deep("{1:", "}", 20_000),
        deep("a.f(", ")", 20_000),
        deep("a[", "]", 30_000),
        deep("!(", ")", 30_000),
        deep("[1].all(x, ", ")", 8_000),
        deep("1 ? 1 : ", "", 12_000),
        "-".repeat(99_000) + "1",
        "!".repeat(99_000) + "a",
        "1+".repeat(49_000) + "1",
        "a".to_owned() + &".a".repeat(49_000),
        "a".to_owned() + &".optMap(x, x)".repeat(200),
        "a && ".repeat(19_000) + "a",
        "(".repeat(99_999),
        "[".repeat(99_999),
        "$".repeat(99_999),
        ")".repeat(99_999),
        "a ".repeat(49_999),
        "1".repeat(100_001),
    ];
    let walk = move || {
        for text in &texts {
            drop(parse(text));
        }
    };
    std::thread::Builder::new()
        .stack_size(1024 * 1024)
        .spawn(walk)
        .expect("thread")
        .join()
        .expect("no panic");
    for depth in [100, 240] {
        drop(parse(&deep("(", ")", depth)).expect("within the limit"));
    }
    assert!(
        errors(&deep("(", ")", 251))
            .starts_with("ERROR: <input>:-1:0: expression recursion limit exceeded: 250")
    );
    assert_eq!(
        errors(&"1".repeat(100_001)),
        "ERROR: <input>:-1:0: expression code point size exceeds limit: size: 100001, limit 100000"
    );
}

/// Changed at random (by a fixed seed), nothing makes the parser fall, and reports stay within the text.
#[test]
fn mangled_texts_are_answered() {
    let seeds = [
        "self.a.all(x, x > 1 && has(x.b)) ? 'a\\n' : b\"\\xff\"",
        "[1, ?2u, -0x3].map(x, y, {?x: 1.5e3}).size() in {'k': r'''v'''}",
        "a.?b[?c].optMap(v, v + 1).orValue(null) // end\n || .x.y{z: true}",
        "!(-1 - --2 * 3 % 4 / 5) != self.`q` && size('\u{fc}\t\u{1f600}') <= 1",
    ];
    let pieces = [
        "(", ")", "[", "]", "{", "}", "'", "\"", "\\", ".", "?", ":", ",", "-", "!", "$", "in", "\n",
        "\u{e9}", "0x", "`",
    ];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % u64::try_from(below.max(1)).expect("fits")).expect("fits")
    };
    for round in 0..20_000 {
        let mut text: Vec<char> = seeds[round % seeds.len()].chars().collect();
        for _ in 0..=random(6) {
            let at = random(text.len());
            match random(3) {
                0 => drop(text.drain(at..(at + random(4)).min(text.len()))),
                1 => drop(text.splice(at..at, pieces[random(pieces.len())].chars())),
                _ => text.swap(at, round % (at + 1)),
            }
            if text.is_empty() {
                text.push('a');
            }
        }
        let text: String = text.into_iter().collect();
        if let Err(errors) = parse(&text) {
            assert!(!errors.reports.is_empty(), "{text}");
            assert!(
                errors
                    .reports
                    .iter()
                    .flat_map(|report| report.position)
                    .all(|at| at.offset <= text.len()),
                "{text}"
            );
            assert!(!errors.to_string().is_empty());
        }
    }
}

/// A double as the recorded trees have it.
fn exponent(value: f64) -> String {
    let text = format!("{value:.17e}");
    let (digits, exponent) = text.split_once('e').expect("an exponent");
    let (sign, exponent) = exponent
        .strip_prefix('-')
        .map_or(('+', exponent), |exponent| ('-', exponent));
    format!("{digits}e{sign}{exponent:0>2}")
}

/// A tree with positions, in the notation that `schema/tests/data/cel.md` explains.
fn placed(expr: &Expr, source: &Source) -> String {
    let at = |id: u32| {
        let position = source.position(id).expect("every node stands somewhere");
        format!("@{}:{}", position.line, position.column)
    };
    let all = |exprs: &[Expr]| {
        exprs
            .iter()
            .map(|expr| placed(expr, source))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let mark = |optional: bool| if optional { "?" } else { "" };
    let here = at(expr.id);
    match &expr.kind {
        ExprKind::Literal(literal) => match literal {
            Literal::Null => format!("null{here}"),
            Literal::Bool(value) => format!("{value}{here}"),
            Literal::Int(value) => format!("{value}{here}"),
            Literal::Uint(value) => format!("{value}u{here}"),
            Literal::Double(value) => format!("{}{here}", exponent(*value)),
            Literal::String(value) => format!("{}{here}", Value::from(value.to_string())),
            Literal::Bytes(value) => {
                let bytes: Vec<String> = value.iter().map(u8::to_string).collect();
                format!("b[{}]{here}", bytes.join(" "))
            }
        },
        ExprKind::Ident(name) => format!("{name}{here}"),
        ExprKind::Select {
            operand,
            field,
            test_only,
        } => {
            format!(
                "{}.{field}{}{here}",
                placed(operand, source),
                if *test_only { "~" } else { "" }
            )
        }
        ExprKind::Call {
            function,
            target: Some(target),
            args,
        } => {
            format!("{}.{function}{here}({})", placed(target, source), all(args))
        }
        ExprKind::Call {
            function,
            target: None,
            args,
        } => format!("{function}{here}({})", all(args)),
        ExprKind::List { elements, optional } => {
            let optional = if optional.is_empty() {
                String::new()
            } else {
                format!("{optional:?}")
            };
            format!("[{}]{optional}{here}", all(elements))
        }
        ExprKind::Map(entries) => {
            let entries = entries.iter().map(|entry| {
                let (key, value) = (placed(&entry.key, source), placed(&entry.value, source));
                format!("{}{key}: {value}{}", mark(entry.optional), at(entry.id))
            });
            format!("{{{}}}{here}", entries.collect::<Vec<_>>().join(", "))
        }
        ExprKind::Struct { name, fields } => {
            let fields = fields.iter().map(|field| {
                let value = placed(&field.value, source);
                format!("{}{}: {value}{}", mark(field.optional), field.name, at(field.id))
            });
            format!("{name}{{{}}}{here}", fields.collect::<Vec<_>>().join(", "))
        }
        ExprKind::Comprehension(walk) => format!(
            "fold{here}({} as {}{}, {} = {}; {}; {}; {})",
            placed(&walk.range, source),
            walk.var,
            walk.var2.as_ref().map_or(String::new(), |var| format!("/{var}")),
            walk.accu,
            placed(&walk.init, source),
            placed(&walk.condition, source),
            placed(&walk.step, source),
            placed(&walk.result, source)
        ),
    }
}

fn recorded(name: &str) -> Vec<Value> {
    let path = format!("{}/../schema/tests/data/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect(&path);
    text.lines()
        .map(|line| serde_json::from_str(line).expect(line))
        .collect()
}

/// Every recorded text has cel-go's tree, with each node at its place, or cel-go's errors.
#[test]
fn recorded_texts_read_as_in_cel_go() {
    let mut wrong = Vec::new();
    for case in recorded("cel-syntax.jsonl") {
        let text = case["text"].as_str().expect("a text");
        let (expected, found) = match parse(text) {
            Ok(parsed) => (case["tree"].as_str(), placed(&parsed.expr, &parsed.source)),
            Err(errors) => (case["error"].as_str(), errors.to_string()),
        };
        if expected != Some(found.as_str()) {
            let expected = case["tree"]
                .as_str()
                .or(case["error"].as_str())
                .unwrap_or_default();
            let short = |text: &str| text.chars().take(1500).collect::<String>();
            wrong.push(format!(
                "{}\n-- expected\n{}\n-- found\n{}\n",
                short(text),
                short(expected),
                short(&found)
            ));
        }
    }
    assert!(wrong.is_empty(), "{} differ\n\n{}", wrong.len(), wrong.join("\n"));
}

/// What was refused by cel-go's parser is refused here in the same words, and nothing else is.
#[test]
fn recorded_rules_parse_as_in_cel_go() {
    for case in recorded("cel.jsonl") {
        let rule = case["rule"].as_str().expect("a rule");
        let expected = case["error"].as_str().filter(|_| case["stage"] == "parse");
        let found = parse(rule).err().map(|errors| errors.to_string());
        assert_eq!(found.as_deref(), expected, "{rule}");
    }
}
