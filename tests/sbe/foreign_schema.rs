//! Code that was generated from a schema with what iLink 3 does not use.

use pinfix::wire::sbe::{DecodeError, Fixed, Frame, build, cut_as, decode};

use super::foreign::{Booster, Car, CarEncoder, EmptyEncoder, Extras, SCHEMA};

fn car(room: &mut [u8], version: u16) -> usize {
    CarEncoder::new(room, version)
        .unwrap()
        .serial_number(7)
        .engine_capacity(1600)
        .engine_booster(Booster::SUPER_CHARGER)
        .engine_maker(b"ABC")
        .extras(Extras::SUN_ROOF | Extras::CRUISE_CONTROL)
        .readings([-1, 0, 300])
        .weight(1.5)
        .price(Fixed(1995))
        .type_(9)
        .stages(2, |nth, stage| {
            stage.speed(100 + nth as u16).laps(300 * nth, |_, lap| {
                lap.seconds(0.25).driver(b"me");
            });
            if nth == 1 {
                stage.place(b"here");
            }
        })
        .note(b"note")
        .finish()
        .unwrap()
}

#[test]
fn nested_groups_data_arrays_and_composites_come_back() {
    let mut room = vec![0; 10_000];
    let len = car(&mut room, 3);
    assert_eq!(
        cut_as(&room, 10_000, 0xEB50),
        pinfix::wire::sbe::Cut::Frame { len }
    );
    let frame = Frame::new(&room[..len]).unwrap();
    let car = Car::read(&frame).unwrap();
    assert_eq!(
        (
            car.serial_number(),
            car.engine_capacity(),
            car.engine_maker()
        ),
        (7, 1600, &b"ABC"[..])
    );
    assert_eq!(
        (car.engine_booster(), Car::ENGINE_CYLINDERS),
        (Some(Booster::SUPER_CHARGER), 4)
    );
    assert_eq!(
        (car.readings(), car.weight(), car.outside()),
        ([-1, 0, 300], Some(1.5), None)
    );
    assert_eq!(
        (car.price().unwrap().to_string(), car.type_()),
        ("19.95".to_owned(), Some(9))
    );
    assert!(car.extras().contains(Extras::CRUISE_CONTROL));
    assert_eq!((Car::KIND, car.note()), (b'T', &b"note"[..]));
    let stages: Vec<_> = car.stages().collect();
    assert_eq!(
        (stages.len(), stages[0].laps().len(), stages[1].laps().len()),
        (2, 0, 300)
    );
    assert_eq!(
        (stages[0].place(), stages[1].place(), stages[1].speed()),
        (&b""[..], &b"here"[..], 101)
    );
    assert!(
        stages[1]
            .laps()
            .all(|lap| lap.seconds() == 0.25 && lap.driver() == b"me")
    );

    let mut again = vec![0; 10_000];
    assert_eq!(car.write(&mut again, 3), Ok(len));
    assert_eq!(again[..len], room[..len]);
    let flat = decode(&frame, &SCHEMA).unwrap().flat();
    let fields: Vec<(&str, &str)> = flat
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    assert!(fields.contains(&("stages[1].laps[299].driver", "6d65")));
    assert!(fields.contains(&("engine.booster", "SuperCharger")));
    assert!(fields.contains(&("readings", "-1,0,300")));
    assert_eq!(build(&SCHEMA, "Car", 3, &fields).unwrap(), room[..len]);
}

#[test]
fn a_message_cut_anywhere_is_refused() {
    let mut room = vec![0; 10_000];
    let len = car(&mut room, 3);
    let (block, step) = (usize::from(room[4]), 7);
    for end in (12 + block..len).step_by(step) {
        let mut bytes = room[..end].to_vec();
        bytes[..2].copy_from_slice(&u16::try_from(end).unwrap().to_le_bytes());
        let frame = Frame::new(&bytes).unwrap();
        let why = Car::read(&frame).err().unwrap();
        assert!(matches!(why, DecodeError::Truncated { .. }), "{why}");
        assert_eq!(decode(&frame, &SCHEMA).err(), Some(why));
    }
}

#[test]
fn an_older_version_is_without_late_fields_and_data() {
    let mut room = vec![0; 10_000];
    let newest = car(&mut room, 3);
    let len = car(&mut room, 1);
    assert_eq!(
        newest - len,
        1 + 4 + 4,
        "the type, and the note with its length"
    );
    let car = Car::read(&Frame::new(&room[..len]).unwrap()).unwrap();
    assert_eq!(
        (car.type_(), car.note(), car.stages().len()),
        (None, &b""[..], 2)
    );
    let why = EmptyEncoder::new(&mut room, 0).err().unwrap();
    assert_eq!(
        why.to_string(),
        "Empty cannot be written in version 0, only in 1 to 3"
    );
    assert_eq!(EmptyEncoder::new(&mut room, 1).unwrap().finish(), Ok(16));
}
