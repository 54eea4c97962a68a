//! Between `google.protobuf.Struct` and JSON.

use prost_types::{ListValue, Struct, Value, value::Kind};
use serde_json::{Map, Number};

/// The deepest nesting of attributes.
const MAX_DEPTH: usize = 16;

/// The most values in attributes.
const MAX_VALUES: usize = 1024;

/// The largest whole number that a JSON number of the wire, a double, holds exactly.
const MAX_SAFE_INTEGER: f64 = 9_007_199_254_740_991.0;

/// The same as an integer.
const MAX_EXACT: u64 = 9_007_199_254_740_991;

/// Attributes of a caller as JSON.
///
/// # Errors
/// What attributes must be.
pub(crate) fn struct_to_map(wire: Struct) -> Result<Map<String, serde_json::Value>, &'static str> {
    map(wire, MAX_DEPTH, &mut { MAX_VALUES })
}

fn map(
    wire: Struct,
    depth: usize,
    budget: &mut usize,
) -> Result<Map<String, serde_json::Value>, &'static str> {
    wire.fields
        .into_iter()
        .map(|(name, value)| Ok((name, to_json(value, depth, budget)?)))
        .collect()
}

fn to_json(
    value: Value,
    depth: usize,
    budget: &mut usize,
) -> Result<serde_json::Value, &'static str> {
    let deeper = depth.checked_sub(1).ok_or("nested at most 16 deep")?;
    *budget = budget.checked_sub(1).ok_or("at most 1024 values")?;
    Ok(match value.kind {
        None | Some(Kind::NullValue(_)) => serde_json::Value::Null,
        Some(Kind::BoolValue(value)) => value.into(),
        Some(Kind::StringValue(value)) => value.into(),
        Some(Kind::NumberValue(value)) => number(value)?.into(),
        Some(Kind::StructValue(value)) => map(value, deeper, budget)?.into(),
        Some(Kind::ListValue(list)) => list
            .values
            .into_iter()
            .map(|value| to_json(value, deeper, budget))
            .collect::<Result<Vec<_>, _>>()?
            .into(),
    })
}

/// A whole number stays whole, so that a claim reads `1`, not `1.0`.
#[allow(clippy::cast_possible_truncation)]
fn number(value: f64) -> Result<Number, &'static str> {
    if value.fract() == 0.0 {
        return match value.abs() <= MAX_SAFE_INTEGER {
            true => Ok((value as i64).into()),
            false => Err("whole numbers up to 2^53 - 1; larger ones as text"),
        };
    }
    Number::from_f64(value).ok_or("finite numbers only")
}

/// Attributes for a caller.
pub(super) fn map_to_struct(map: Map<String, serde_json::Value>) -> Struct {
    Struct {
        fields: map
            .into_iter()
            .map(|(name, value)| (name, to_wire(value)))
            .collect(),
    }
}

fn to_wire(value: serde_json::Value) -> Value {
    let kind = match value {
        serde_json::Value::Null => Kind::NullValue(0),
        serde_json::Value::Bool(value) => Kind::BoolValue(value),
        serde_json::Value::Number(value) => number_to_wire(&value),
        serde_json::Value::String(value) => Kind::StringValue(value),
        serde_json::Value::Array(values) => Kind::ListValue(ListValue {
            values: values.into_iter().map(to_wire).collect(),
        }),
        serde_json::Value::Object(map) => Kind::StructValue(map_to_struct(map)),
    };
    Value { kind: Some(kind) }
}

/// A whole number that a double would change goes out as its decimal text: two ids must not become one.
fn number_to_wire(number: &Number) -> Kind {
    let exact = match (number.as_i64(), number.as_u64()) {
        (Some(whole), _) => whole.unsigned_abs() <= MAX_EXACT,
        (None, Some(_)) => false,
        (None, None) => true,
    };
    match number.as_f64() {
        Some(double) if exact => Kind::NumberValue(double),
        _ => Kind::StringValue(number.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_number_arrives_as_it_was_signed() {
        let mut map = Map::new();
        map.insert("small".to_owned(), 9_007_199_254_740_991_i64.into());
        map.insert("large".to_owned(), 9_007_199_254_740_993_i64.into());
        map.insert("huge".to_owned(), u64::MAX.into());
        let fields = map_to_struct(map).fields;
        let kind = |name: &str| fields[name].kind.clone();
        assert_eq!(
            kind("small"),
            Some(Kind::NumberValue(9_007_199_254_740_991.0))
        );
        assert_eq!(
            kind("large"),
            Some(Kind::StringValue("9007199254740993".to_owned()))
        );
        assert_eq!(kind("huge"), Some(Kind::StringValue(u64::MAX.to_string())));
    }
}
