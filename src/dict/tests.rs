//! The built-in dictionaries are sound, files of users are judged with their line, messages are judged
//! with the right fault.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::wire::fix::tag::{self, Tag};
use crate::wire::fix::{ApplVersion, FieldIndex};

/// A small dictionary in the XML form, whose parts the tests replace.
const XML: &str = "\
<fix type='FIX' major='4' minor='4' servicepack='0'>
 <header>
  <field name='BeginString' required='Y'/>
  <field name='BodyLength' required='Y'/>
  <field name='MsgType' required='Y'/>
 </header>
 <trailer>
  <field name='CheckSum' required='Y'/>
 </trailer>
 <messages>
  <message name='Order' msgtype='D' msgcat='app'>
   <field name='ClOrdID' required='Y'/>
   <component name='Parties' required='N'/>
  </message>
 </messages>
 <components>
  <component name='Parties'>
   <group name='NoPartyIDs' required='N'>
    <field name='PartyID' required='Y'/>
   </group>
  </component>
 </components>
 <fields>
  <field number='8' name='BeginString' type='STRING'/>
  <field number='9' name='BodyLength' type='LENGTH'/>
  <field number='10' name='CheckSum' type='STRING'/>
  <field number='11' name='ClOrdID' type='STRING'/>
  <field number='35' name='MsgType' type='STRING'/>
  <field number='54' name='Side' type='CHAR'>
   <value enum='1' description='BUY'/>
   <value enum='2' description='SELL'/>
  </field>
  <field number='448' name='PartyID' type='STRING'/>
  <field number='453' name='NoPartyIDs' type='NUMINGROUP'/>
 </fields>
</fix>
";

fn error_of(from: &str, to: &str) -> String {
    assert!(XML.contains(from), "{from}");
    Dictionary::from_xml("my.xml", &XML.replacen(from, to, 1))
        .unwrap_err()
        .to_string()
}

#[test]
fn a_file_of_a_user_is_read() {
    let dictionary = Dictionary::from_xml("my.xml", XML).unwrap();
    assert_eq!(dictionary.name(), "FIX.4.4");
    let order = dictionary.message(b"D").unwrap();
    assert_eq!(order.name(), "Order");
    let members: Vec<_> = order
        .body()
        .members()
        .map(|m| (m.tag(), m.is_required()))
        .collect();
    assert_eq!(members, [(11, true), (453, false)]);
    let entry = order.body().group(453).unwrap();
    assert!(entry.has(448) && !entry.has(11) && order.body().group(11).is_none());
    let side = dictionary.field_named("Side").unwrap();
    assert_eq!((side.tag(), side.field_type()), (54, FieldType::Char));
    assert_eq!(
        side.values().collect::<Vec<_>>(),
        [("1", "BUY"), ("2", "SELL")]
    );
    assert_eq!(side.label(b"2"), Some("SELL"));
    assert!(dictionary.field(12).is_none() && dictionary.field(u32::MAX).is_none());
    assert!(dictionary.message(b"E").is_none() && dictionary.message(b"").is_none());
}

#[test]
fn errors_name_file_line_element_value_and_what_is_right() {
    for (from, to, says) in [
        (
            "<field name='ClOrdID' required='Y'/>",
            "<field name='ClOrdId' required='Y'/>",
            "my.xml:12: field ClOrdId: there is no field of this name; did you mean ClOrdID?",
        ),
        (
            "<component name='Parties' required='N'/>",
            "<component name='Partys' required='N'/>",
            "my.xml:13: component Partys: not defined; did you mean Parties?",
        ),
        (
            "<field name='PartyID' required='Y'/>",
            "<component name='Parties' required='Y'/>",
            "my.xml:19: component Parties: contains itself: Parties > Parties",
        ),
        (
            "<field name='PartyID' required='Y'/>",
            "",
            "my.xml:18: group NoPartyIDs: has no member; the first is the one that each entry begins with",
        ),
        (
            "number='448'",
            "number='54'",
            "my.xml:33: field PartyID: tag 54 was defined before, as Side in line 29",
        ),
        (
            "name='PartyID' type",
            "name='Side' type",
            "my.xml:33: field Side: the name was given before, to tag 54",
        ),
        (
            "number='448'",
            "number='0'",
            "my.xml:33: <field name=\"PartyID\">: number=\"0\" is not accepted, expected a number from 1",
        ),
        (
            "type='CHAR'",
            "type='CHARS'",
            "my.xml:29: <field name=\"Side\">: type=\"CHARS\" is not accepted, expected one of STRING, CHAR,",
        ),
        (
            "enum='2'",
            "enum='1'",
            "my.xml:31: field Side: the value \"1\" is listed twice",
        ),
        (
            "enum='2' ",
            "",
            "my.xml:31: <value>: lacks the attribute enum",
        ),
        (
            "required='N'/>",
            "required='X'/>",
            "my.xml:13: <component name=\"Parties\">: required=\"X\" is not accepted, expected Y or N",
        ),
        (
            "required='N'/>",
            "/>",
            "my.xml:13: <component name=\"Parties\">: lacks the attribute required",
        ),
        (
            "msgtype='D'",
            "msgtype=''",
            "my.xml:11: message Order: MsgType \"\" is not accepted",
        ),
        (
            "</message>",
            "</message><message name='O' msgtype='D'/>",
            "my.xml:14: message O: MsgType \"D\" was defined before, in line 11",
        ),
        (
            "</component>",
            "</component><component name='Parties'/>",
            "my.xml:21: component Parties: defined before, in line 17",
        ),
        ("<header>", "<haeder>", "my.xml:6: no well-formed XML"),
        (
            "<components>",
            "<components><group name='x' required='N'/>",
            "my.xml:16: <group name=\"x\"> is not expected here, but <component>",
        ),
        (
            "major='4'",
            "major='four'",
            "my.xml:1: <fix>: major=\"four\" is not accepted, expected a number",
        ),
        (
            "type='FIX'",
            "type='FXI'",
            "my.xml:1: <fix>: type=\"FXI\" is not accepted, expected FIX or FIXT",
        ),
    ] {
        let error = error_of(from, to);
        assert!(error.starts_with(says), "{error}\n{says}");
    }
    let error = Dictionary::from_xml("my.xml", "<html/>")
        .unwrap_err()
        .to_string();
    assert_eq!(error, "my.xml:1: <html> is not expected here, but <fix>");
    let error = Dictionary::load(Path::new("no such file.xml"))
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("no such file.xml: cannot be read: "),
        "{error}"
    );
}

#[test]
fn no_file_takes_the_reader_down() {
    let deep = "<a>".repeat(200_000);
    let error = Dictionary::from_xml("my.xml", &deep).unwrap_err();
    assert!(error.problem.contains("more than 128 elements"), "{error}");
    // Each component holds the next one twice.
    let mut components = String::new();
    for nth in 0..30 {
        let next = format!("<component name='c{}' required='N'/>", nth + 1);
        components.push_str(&format!(
            "<component name='c{nth}'>{next}{next}</component>"
        ));
    }
    components.push_str("<component name='c30'/></components>");
    let error = error_of("</components>", &components);
    assert!(error.contains("too much is repeated"), "{error}");
    // Every prefix and every file that lacks a line is read or refused.
    for at in 0..XML.len() {
        let _ = Dictionary::from_xml("my.xml", &XML[..at]);
    }
    for lacking in 0..XML.lines().count() {
        let rest: Vec<&str> = XML
            .lines()
            .enumerate()
            .filter(|&(at, _)| at != lacking)
            .map(|(_, line)| line)
            .collect();
        let _ = Dictionary::from_xml("my.xml", &rest.join("\n"));
        let _ = text_of_xml("my.xml", &rest.join("\n"));
    }
}

#[test]
fn what_older_files_say_differently() {
    let old = XML.replace("minor='4'", "minor='0'").replace(
        "</fields>",
        "<field number='18' name='ExecInst' type='CHAR'><value enum='1'/><value enum='G'/></field>
         <field number='166' name='SettlLocation' type='STRING'>
          <value enum='CED'/><value enum='ISO Country Code'/>
         </field></fields>",
    );
    let dictionary = Dictionary::from_xml("my.xml", &old).unwrap();
    assert_eq!(dictionary.name(), "FIX.4.0");
    let of_type = |tag| dictionary.field(tag).unwrap().field_type();
    assert_eq!(of_type(54), FieldType::String);
    assert_eq!(of_type(18), FieldType::MultipleCharValue);
    let place = dictionary.field(166).unwrap();
    assert!(!place.is_listed() && place.label(b"CED") == Some(""));
}

#[test]
fn the_own_form_says_the_same_as_the_xml_form() {
    let text = text_of_xml("my.xml", XML).unwrap();
    let again = text::parse(&text).unwrap();
    assert_eq!(again.to_string(), text);
    let (from_text, from_xml) = (
        Dictionary::from_text("my.dict", &text).unwrap(),
        Dictionary::from_xml("my.xml", XML).unwrap(),
    );
    assert_eq!(from_text.memory(), from_xml.memory());
    assert_eq!(
        format!("{:?}", from_text.message(b"D").unwrap().body()),
        format!("{:?}", from_xml.message(b"D").unwrap().body())
    );
}

#[test]
fn errors_in_the_own_form_name_the_line() {
    let good = text_of_xml("my.xml", XML).unwrap();
    for (from, to, says) in [
        (
            "dictionary FIX.4.4",
            "FIX.4.4",
            "my.dict:1: expected `dictionary NAME`",
        ),
        (
            "field 8 BeginString",
            "field x BeginString",
            "my.dict:2: field BeginString: tag \"x\"",
        ),
        (
            "STRING",
            "TEXT",
            "my.dict:2: field BeginString: there is no type \"TEXT\"",
        ),
        (
            "header",
            "haeder",
            "my.dict:12: \"haeder\" is not understood",
        ),
        (
            "  PartyID!\n }",
            "  PartyID!",
            "my.dict:21: \"message D Order\" inside a group",
        ),
        (
            "@Parties\n",
            "@Parties\n }\n",
            "my.dict:25: } without a group",
        ),
    ] {
        assert!(good.contains(from), "{from} in {good}");
        let error = Dictionary::from_text("my.dict", &good.replacen(from, to, 1)).unwrap_err();
        assert!(error.to_string().starts_with(says), "{error}\n{says}");
    }
}

#[test]
fn built_in_dictionaries_are_sound() {
    for name in builtin::NAMES {
        let dictionary = builtin::named(name).unwrap();
        assert_eq!(dictionary.name(), name);
        let mut layouts = vec![(dictionary.header(), 0), (dictionary.trailer(), 0)];
        for message in dictionary.messages() {
            let found = dictionary.message(message.msg_type().as_bytes()).unwrap();
            assert_eq!(found.name(), message.name());
            layouts.push((message.body(), 0));
        }
        let mut deepest = 0;
        let mut seen = HashSet::new();
        while let Some((layout, depth)) = layouts.pop() {
            deepest = deepest.max(depth);
            for member in layout.members() {
                assert!(layout.has(member.tag()));
                assert_eq!(member.field().tag(), member.tag());
                assert_eq!(
                    layout.group(member.tag()).is_some(),
                    member.group().is_some()
                );
                if let Some(entry) = member.group()
                    && seen.insert(std::ptr::from_ref(entry.block))
                {
                    assert!(entry.members().next().is_some(), "{name} {}", member.tag());
                    layouts.push((entry, depth + 1));
                }
            }
            let tags: HashSet<Tag> = layout.members().map(|member| member.tag()).collect();
            assert_eq!(tags.len(), layout.members().len(), "each once");
            for tag in (0..2000).chain([40_000, 50_002, 99_999, Tag::MAX]) {
                assert_eq!(layout.has(tag), tags.contains(&tag), "{name} {tag}");
            }
        }
        assert!(deepest <= 7, "{name} nests {deepest} deep");
        for field in dictionary.fields() {
            assert_eq!(dictionary.field(field.tag()).unwrap().name(), field.name());
            for (value, _) in field.values() {
                assert!(
                    field.field_type().takes(value.as_bytes()),
                    "{name} {} {} takes its own value {value:?}",
                    field.name(),
                    field.field_type()
                );
            }
        }
    }
}

/// The wire must know by itself which fields are data, or it could not split a message.
#[test]
fn built_in_dictionaries_and_the_wire_agree_on_data_fields_and_sections() {
    for name in builtin::NAMES {
        let dictionary = builtin::named(name).unwrap();
        for field in dictionary.fields() {
            if field.field_type().is_data() {
                assert!(tag::is_data(field.tag()), "{name} {}", field.name());
            }
        }
        for member in dictionary.header().members() {
            assert!(tag::is_header(member.tag()), "{name} {}", member.tag());
        }
        for member in dictionary.trailer().members() {
            assert!(tag::is_trailer(member.tag()), "{name} {}", member.tag());
        }
    }
}

const V44: ApplVersion = ApplVersion::Fix44;

fn order(body: &str) -> Vec<u8> {
    message_of("FIX.4.4", "D", body)
}

/// A sound header around `body`; `|` for SOH.
fn message_of(begin_string: &str, msg_type: &str, body: &str) -> Vec<u8> {
    let head = "49=A|56=B|34=2|52=20260312-14:30:00.123|";
    format!("8={begin_string}|9=1|35={msg_type}|{head}{body}10=000|")
        .replace('|', "\u{1}")
        .into_bytes()
}

type Judged = Result<(), (Tag, InvalidKind)>;

fn judge(validator: &mut Validator, frame: &[u8], version: ApplVersion) -> Judged {
    let mut index = FieldIndex::default();
    let message = index.read(frame).unwrap();
    validator
        .check(&message, version.into())
        .map_err(|invalid| (invalid.tag, invalid.kind))
}

fn fix44(checks: Checks) -> Validator {
    let dictionaries = Dictionaries::builtin("FIX.4.4", V44);
    Validator::new(dictionaries, Scope::Full, checks)
}

const ORDER: &str = "11=1|55=X|54=1|60=20260312-14:30:00|38=5|40=2|44=1.5|";

#[test]
fn faults_by_kind() {
    use InvalidKind::*;
    let strict = Checks::default();
    let parties = "453=2|448=A|447=D|452=1|448=B|447=D|452=3|802=1|523=s|803=1|";
    for (body, expected) in [
        (ORDER.to_owned(), Ok(())),
        (format!("{ORDER}{parties}"), Ok(())),
        (format!("{parties}{ORDER}"), Ok(())),
        (format!("{ORDER}453=0|"), Ok(())),
        (ORDER.replace("54=1|", ""), Err((54, Missing))),
        (
            ORDER.replace("54=1|", "").replace("11=1|", ""),
            Err((11, Missing)),
        ),
        (format!("{ORDER}997=1|"), Err((997, UndefinedTag))),
        (format!("{ORDER}0=1|"), Err((0, UndefinedTag))),
        (format!("{ORDER}-1=1|"), Err((0, UndefinedTag))),
        (format!("{ORDER}5000=1|"), Err((5000, UndefinedTag))),
        (format!("{ORDER}41=1|"), Err((41, NotInMessage))),
        (format!("{ORDER}58=|"), Err((58, Empty))),
        (ORDER.replace("54=1", "54=x"), Err((54, Value))),
        (ORDER.replace("54=1", "54=12"), Err((54, Format))),
        (format!("{ORDER}18=1 2 a|"), Ok(())),
        (format!("{ORDER}18=1 ? 2|"), Err((18, Value))),
        (ORDER.replace("38=5", "38=+5"), Err((38, Format))),
        (format!("{ORDER}55=Y|"), Err((55, Repeated))),
        (format!("{ORDER}34=3|"), Err((34, Misplaced))),
        (format!("{ORDER}43=N|55=Y|997=1|"), Err((43, Misplaced))),
        (format!("{ORDER}93=1|89=x|58=late|"), Err((58, Misplaced))),
        (format!("{ORDER}453=1|448=A|448=B|"), Err((453, GroupCount))),
        (format!("{ORDER}453=2|448=A|447=D|"), Err((453, GroupCount))),
        (format!("{ORDER}453=2|"), Err((453, GroupCount))),
        (format!("{ORDER}453=0|448=A|"), Err((453, GroupCount))),
        (format!("{ORDER}453=-1|448=A|"), Err((453, Format))),
        (format!("{ORDER}453=1|447=D|448=A|"), Err((447, GroupOrder))),
        (
            format!("{ORDER}453=1|448=A|452=1|447=D|"),
            Err((447, GroupOrder)),
        ),
        (
            format!("{ORDER}453=2|448=A|447=D|447=D|452=1|"),
            Err((447, GroupOrder)),
        ),
        (
            format!("{ORDER}453=1|448=A|802=1|523=s|803=1|452=1|"),
            Err((452, GroupOrder)),
        ),
        (
            format!("{ORDER}453=1|448=A|802=2|523=s|803=1|"),
            Err((802, GroupCount)),
        ),
        (format!("{ORDER}448=A|"), Err((448, NotInMessage))),
        (
            format!("{ORDER}453=1|448=A|452=x|58=after|"),
            Err((452, Format)),
        ),
        (
            format!("{ORDER}453=1|448=A|997=x|452=1|58=after|"),
            Err((997, UndefinedTag)),
        ),
        // Required fields before the fields themselves.
        (
            format!("{}997=1|", ORDER.replace("54=1|", "")),
            Err((54, Missing)),
        ),
    ] {
        assert_eq!(
            judge(&mut fix44(strict), &order(&body), V44),
            expected,
            "{body}"
        );
    }
}

#[test]
fn faults_of_the_header_and_of_the_type() {
    use InvalidKind::*;
    let mut validator = fix44(Checks::default());
    let mut of = |frame: &[u8]| judge(&mut validator, frame, V44);
    let edit = |from: &str, to: &str| {
        let text = String::from_utf8(order(ORDER))
            .unwrap()
            .replace('\u{1}', "|");
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
            .replace('|', "\u{1}")
            .into_bytes()
    };
    for (from, to, expected) in [
        ("49=A|", "", Err((49, Missing))),
        ("49=A|56=B|", "", Err((49, Missing))),
        ("34=2|", "34=2|49=A|", Err((49, Repeated))),
        ("34=2|", "34=2|50=|", Err((50, Empty))),
        ("34=2|", "34=x|", Err((34, Format))),
        ("34=2|", "34=2|43=X|", Err((43, Format))),
        ("34=2|", "34=2|43=N|122=20260312-14:30:00|", Ok(())),
        ("34=2|", "34=2|627=1|628=H|629=20260312-14:30:00|", Ok(())),
        ("34=2|", "34=2|627=2|628=H|", Err((627, GroupCount))),
        // Directly before the body, whose fields are none of the group.
        ("123|", "123|627=1|628=H|629=20260312-14:30:00|", Ok(())),
        ("123|11=1|", "123|627=1|628=H|11=|", Err((11, Empty))),
        ("35=D|", "35=zz|", Err((35, MsgType))),
        ("35=D|", "35=0|", Err((11, NotInMessage))),
        ("35=D|", "35=U1|", Ok(())),
        ("34=2|", "11=1|34=2|", Err((34, Misplaced))),
    ] {
        assert_eq!(of(&edit(from, to)), expected, "{to}");
    }
    let strict = Checks {
        user_defined_types: true,
        ..Checks::default()
    };
    assert_eq!(
        judge(&mut fix44(strict), &edit("35=D|", "35=U1|"), V44),
        Err((35, MsgType))
    );
}

#[test]
fn a_logon_may_have_the_fields_that_are_agreed_upon() {
    use InvalidKind::*;
    let logon = |body: &str| message_of("FIX.4.4", "A", &format!("98=0|108=30|{body}"));
    let mut strict = fix44(Checks::default());
    let mut agreed = fix44(Checks::default()).with_logon_fields([925, 6001]);
    for (body, expected) in [
        ("6001=x|", Ok(())),
        ("384=1|372=D|385=S|925=new|553=user|", Ok(())),
        ("6001=x|925=y|6001=x|", Err((6001, Repeated))),
        ("925=|", Err((925, Empty))),
        ("6002=x|", Err((6002, UndefinedTag))),
        ("925=x|108=30|", Err((108, Repeated))),
        ("925=x|34=2|", Err((34, Misplaced))),
    ] {
        assert_eq!(judge(&mut agreed, &logon(body), V44), expected, "{body}");
        assert!(judge(&mut strict, &logon(body), V44).is_err(), "{body}");
    }
    let order = order(&format!("{ORDER}6001=x|"));
    assert_eq!(judge(&mut agreed, &order, V44), Err((6001, UndefinedTag)));
}

#[test]
fn what_switches_let_through() {
    type Switch = fn(&mut Checks);
    let strict = Checks::default();
    let cases: [(Switch, String, Judged); 14] = [
        (|c| c.sections = false, format!("{ORDER}43=N|"), Ok(())),
        (|c| c.empty_values = false, format!("{ORDER}58=|"), Ok(())),
        (|c| c.empty_values = false, format!("{ORDER}453=|"), Ok(())),
        (
            |c| c.user_defined_fields = false,
            format!("{ORDER}5000=1|50001=2|"),
            Ok(()),
        ),
        (
            |c| c.user_defined_fields = false,
            format!("{ORDER}5000=1|5000=2|"),
            Err((5000, InvalidKind::Repeated)),
        ),
        (
            |c| c.user_defined_fields = false,
            format!("{ORDER}997=1|"),
            Err((997, InvalidKind::UndefinedTag)),
        ),
        (
            |c| c.user_defined_fields = false,
            format!("{ORDER}453=2|448=A|5000=1|452=1|448=B|452=3|"),
            Ok(()),
        ),
        (
            |c| c.unknown_fields = false,
            format!("{ORDER}997=1|41=x|"),
            Ok(()),
        ),
        (
            |c| c.unknown_fields = false,
            format!("{ORDER}5000=1|"),
            Err((5000, InvalidKind::UndefinedTag)),
        ),
        (
            |c| c.listed_values = false,
            ORDER.replace("54=1", "54=x"),
            Ok(()),
        ),
        (
            |c| c.group_order = false,
            format!("{ORDER}453=1|448=A|452=1|447=D|"),
            Ok(()),
        ),
        (
            |c| c.group_order = false,
            format!("{ORDER}453=1|448=A|452=1|452=1|"),
            Err((452, InvalidKind::Repeated)),
        ),
        (
            |c| c.group_order = false,
            format!("{ORDER}453=1|447=D|448=A|"),
            Err((447, InvalidKind::GroupOrder)),
        ),
        (
            |c| (c.group_order, c.group_delimiter) = (false, false),
            format!("{ORDER}453=2|447=D|448=A|447=D|448=B|"),
            Ok(()),
        ),
    ];
    for (switch, body, expected) in cases {
        let mut checks = strict;
        switch(&mut checks);
        let frame = order(&body);
        assert!(judge(&mut fix44(strict), &frame, V44).is_err(), "{body}");
        assert_eq!(judge(&mut fix44(checks), &frame, V44), expected, "{body}");
    }
}

#[test]
fn scopes() {
    let dictionaries = Dictionaries::builtin("FIX.4.4", V44);
    let bad_body = order("997=x|");
    let bad_header = order(&format!("{ORDER}43=X|"));
    let of = |scope, frame: &[u8]| {
        let mut validator = Validator::new(dictionaries.clone(), scope, Checks::default());
        judge(&mut validator, frame, V44)
    };
    assert_eq!(of(Scope::Off, &bad_header), Ok(()));
    assert_eq!(of(Scope::Header, &bad_body), Ok(()));
    assert_eq!(
        of(Scope::Header, &bad_header),
        Err((43, InvalidKind::Misplaced))
    );
    assert_eq!(
        of(Scope::Header, &message_of("FIX.4.4", "zz", "")),
        Err((35, InvalidKind::MsgType))
    );
    assert_eq!(of(Scope::Full, &bad_body), Err((11, InvalidKind::Missing)));
}

#[test]
fn over_fixt_the_application_version_chooses_the_body() {
    let dictionaries = Dictionaries::builtin("FIXT.1.1", ApplVersion::Fix50Sp2);
    let mut validator = Validator::new(dictionaries, Scope::Full, Checks::default());
    let frame = message_of("FIXT.1.1", "D", ORDER);
    for version in [
        ApplVersion::Fix44,
        ApplVersion::Fix50,
        ApplVersion::Fix50Sp1,
        ApplVersion::Fix50Sp2,
    ] {
        assert_eq!(judge(&mut validator, &frame, version), Ok(()), "{version}");
    }
    // HandlInst(21) was required once.
    assert_eq!(
        judge(&mut validator, &frame, ApplVersion::Fix42),
        Err((21, InvalidKind::Missing))
    );
    // A field of the application is none of the session level.
    assert_eq!(
        judge(
            &mut validator,
            &message_of("FIXT.1.1", "0", "112=x|11=1|"),
            ApplVersion::Fix50Sp2
        ),
        Err((11, InvalidKind::UndefinedTag))
    );
    let only = Dictionaries::fixt(builtin::fixt11()).with(ApplVersion::Fix50, builtin::fix50());
    let mut validator = Validator::new(only, Scope::Full, Checks::default());
    assert_eq!(
        judge(&mut validator, &frame, V44),
        Err((1128, InvalidKind::ApplVersion))
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// A sound message with some fields left out, given twice, moved or changed.
    #[test]
    fn the_quick_way_makes_no_difference(
        changes in proptest::collection::vec((0_usize..4, any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..4),
        checks: [bool; 8],
        is_strict: bool,
    ) {
        let sound = "49=A|56=B|34=2|52=20260312-14:30:00.123|627=1|628=H|629=20260312-14:30:00|11=1|55=X|54=1|\
            60=20260312-14:30:00|38=5|40=2|44=-12.25|18=1 G|110=123456789.5|453=2|448=P|447=D|452=12|802=1|523=S|\
            803=4|448=Q|447=D|452=3|555=1|600=L|539=1|524=N|804=1|545=M|805=2|167=FUT|200=202609|58=t|93=2|89=ab|10=000|";
        let others = [
            "6001=u|", "4999=v|", "11=|", "54=x|", "54=11|", "38=1.2.3|", "38=-|", "38=.|", "60=20260230-14:30:00|",
            "60=20260312-24:30:00|", "34=x|", "453=1|", "453=|", "453=0|", "448=R|", "452=9999|", "803=x|", "0=z|",
            "43=N|", "43=y|", "10=1|", "167=XXX|", "18=1  G|", "18=1 ~|", "200=202613|", "35=8|", "38=1234567890123|",
        ];
        let mut fields: Vec<&str> = sound.split_inclusive('|').collect();
        for (what, at, other) in changes {
            if fields.is_empty() {
                break;
            }
            let place = at.index(fields.len());
            match what {
                0 => drop(fields.remove(place)),
                1 => fields.insert(other.index(fields.len()), fields[place]),
                2 => fields.insert(place, others[other.index(others.len())]),
                _ => fields[place] = others[other.index(others.len())],
            }
        }
        let frame = format!("8=FIX.4.4|9=1|35=D|{}", fields.concat()).replace('|', "\u{1}").into_bytes();
        let [sections, empty_values, user_defined_fields, unknown_fields, listed_values, group_order, group_delimiter, user_defined_types] = checks;
        let checks = Checks { sections, empty_values, user_defined_fields, unknown_fields, listed_values, group_order, group_delimiter, user_defined_types };
        let mut validator = fix44(if is_strict { Checks::default() } else { checks });
        let mut index = FieldIndex::default();
        if let Ok(message) = index.read(&frame) {
            let shown = String::from_utf8_lossy(&frame).replace('\u{1}', "|");
            prop_assert_eq!(validator.judge::<true>(&message, V44.into()), validator.judge::<false>(&message, V44.into()), "{}", shown);
        }
    }
}

#[test]
fn numbers_of_all_lengths_are_judged_as_their_type_says() {
    let mut validator = fix44(Checks::default());
    let mut pieces = vec![String::new()];
    for _ in 0..5 {
        let longer = pieces
            .iter()
            .flat_map(|text| ["-", ".", "5", "/", ":"].map(|next| format!("{text}{next}")));
        pieces = pieces.iter().cloned().chain(longer).collect();
        pieces.sort();
        pieces.dedup();
    }
    for (tag, of_type) in [
        (44, FieldType::Price),
        (218, FieldType::PriceOffset),
        (34, FieldType::SeqNum),
        (202, FieldType::Price),
    ] {
        for text in pieces
            .iter()
            .filter(|text| !text.is_empty())
            .flat_map(|text| [text.clone(), format!("77777{text}")])
        {
            let body = ORDER.replace("44=1.5|", "");
            let frame = match tag {
                34 => String::from_utf8(order(&body))
                    .unwrap()
                    .replace("34=2", &format!("34={text}"))
                    .into_bytes(),
                _ => order(&format!("{body}{tag}={text}|")),
            };
            let expected = if of_type.takes(text.as_bytes()) {
                Ok(())
            } else {
                Err((tag, InvalidKind::Format))
            };
            assert_eq!(judge(&mut validator, &frame, V44), expected, "{tag}={text}");
        }
    }
}
