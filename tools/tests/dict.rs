//! `pinfix dict` as a user runs it.
#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

mod command;

use std::fs;

const XML: &str = "\
<fix type='FIX' major='4' minor='4'>
 <header><field name='MsgType' required='Y'/></header>
 <trailer/>
 <messages>
  <message name='Ping' msgtype='U1' msgcat='app'>
   <group name='NoHosts' required='N'><field name='Host' required='Y'/></group>
  </message>
 </messages>
 <fields>
  <field number='35' name='MsgType' type='STRING'/>
  <field number='5001' name='NoHosts' type='NUMINGROUP'/>
  <field number='5002' name='Host' type='STRING'/>
 </fields>
</fix>
";

#[test]
fn a_message_is_shown_with_its_groups() {
    let shown = command::run(&["dict", "show", "FIX.4.4", "D"]).ok().out;
    assert!(shown.starts_with("D NewOrderSingle (FIX.4.4)\n"), "{shown}");
    for line in [
        "     11 ClOrdID!                         STRING\n",
        "    453 NoPartyIDs                       group\n",
        "      448 PartyID                          STRING\n",
        "        523 PartySubID                       STRING\n",
    ] {
        assert!(shown.contains(line), "no {line:?} in {shown}");
    }
    let by_name = command::run(&["dict", "show", "FIX.4.4", "NewOrderSingle"])
        .ok()
        .out;
    assert_eq!(shown, by_name);
}

#[test]
fn a_field_is_shown_with_its_values_and_messages() {
    let side = command::run(&["dict", "show", "FIX.4.2", "54"]).ok().out;
    assert!(side.starts_with("54 Side CHAR\n  1      BUY\n"), "{side}");
    assert!(side.contains("\n  in ") && side.contains(" D "), "{side}");
    assert_eq!(
        side,
        command::run(&["dict", "show", "FIX.4.2", "Side"]).ok().out
    );
    command::run(&["dict", "show", "FIX.4.2", "Sied"])
        .failed(1, &["FIX.4.2 has no message and no field \"Sied\""]);
    command::run(&["dict", "show", "FIX.4.7", "D"])
        .failed(1, &["no dictionary \"FIX.4.7\"", "FIX.5.0SP2"]);
}

#[test]
fn a_file_is_checked_and_compiled() {
    let directory = tempfile::tempdir().unwrap();
    let [good, bad] = ["good.xml", "bad.xml"].map(|name| directory.path().join(name));
    fs::write(&good, XML).unwrap();
    fs::write(&bad, XML.replace("'Host' required", "'Hots' required")).unwrap();
    let [good, bad, out] = [&*good, &*bad, directory.path()].map(|path| path.to_str().unwrap());
    let checked = command::run(&["dict", "check", good]).ok().out;
    assert!(
        checked.contains("good.xml: FIX.4.4, 3 fields, 1 messages"),
        "{checked}"
    );
    let failed =
        command::run(&["dict", "check", good, bad]).failed(1, &["1 of 2 files cannot be used"]);
    assert!(
        failed
            .out
            .contains("bad.xml:6: field Hots: there is no field of this name; did you mean Host?"),
        "{failed:?}"
    );
    command::run(&["dict", "compile", good, "--out", out]).ok();
    let text = fs::read_to_string(directory.path().join("FIX.4.4.dict")).unwrap();
    assert!(
        text.contains("message U1 Ping\n NoHosts {\n  Host!\n }\n"),
        "{text}"
    );
    let shown = command::run(&["dict", "show", &format!("{out}/FIX.4.4.dict"), "U1"])
        .ok()
        .out;
    assert!(shown.contains("5002 Host!"), "{shown}");
}
