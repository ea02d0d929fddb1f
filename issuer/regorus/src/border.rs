//! The C interface; lodekey_rego.h says what each function does. No panic crosses it.

use std::panic::{catch_unwind, AssertUnwindSafe};

use crate::{Failure, Policy};

/// Bytes that belong to their receiver, until `lodekey_rego_free_text`.
#[repr(C)]
pub struct Text {
    bytes: *mut u8,
    size: usize,
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        let bytes = Box::leak(text.into_bytes().into_boxed_slice());
        Self { bytes: bytes.as_mut_ptr(), size: bytes.len() }
    }
}

/// What became of a call.
#[repr(C)]
pub enum Status {
    /// `out` is the answer.
    Done = 0,
    /// The rule has no value.
    Undefined = 1,
    /// `out` says why not.
    Error = 2,
}

type Outcome = Result<String, Failure>;

/// Runs `work`, and hands its text to the caller.
///
/// # Safety
/// `out` points to a `Text`, which is overwritten.
unsafe fn answer(out: *mut Text, work: impl FnOnce() -> Outcome) -> Status {
    let defect = |_| Err(Failure::Error("the evaluator failed on this: a defect of it".to_owned()));
    let outcome = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(defect);
    let (status, text) = match outcome {
        Ok(text) => (Status::Done, text),
        Err(Failure::Error(text)) => (Status::Error, text),
        Err(Failure::Undefined) => (Status::Undefined, String::new()),
    };
    out.write(text.into());
    status
}

/// # Safety
/// `bytes` and `size` name readable memory for the duration of 'a.
unsafe fn text<'a>(bytes: *const u8, size: usize) -> Result<&'a str, Failure> {
    let bytes = if size == 0 { &[] } else { std::slice::from_raw_parts(bytes, size) };
    std::str::from_utf8(bytes).map_err(|_| Failure::Error("this is not UTF-8".to_owned()))
}

#[no_mangle]
extern "C" fn lodekey_rego_new(with_tests: bool) -> *mut Policy {
    Box::into_raw(Box::new(Policy::new(with_tests)))
}

#[no_mangle]
unsafe extern "C" fn lodekey_rego_free(policy: *mut Policy) {
    if !policy.is_null() {
        drop(Box::from_raw(policy));
    }
}

#[no_mangle]
unsafe extern "C" fn lodekey_rego_free_text(text: Text) {
    drop(Box::from_raw(std::ptr::slice_from_raw_parts_mut(text.bytes, text.size)));
}

#[no_mangle]
unsafe extern "C" fn lodekey_rego_add_file(
    policy: *mut Policy,
    name: *const u8,
    name_size: usize,
    file: *const u8,
    file_size: usize,
    out: *mut Text,
) -> Status {
    answer(out, || {
        let name = text(name, name_size)?;
        let file = text(file, file_size).map_err(|_| Failure::Error(format!("{name}: not UTF-8")))?;
        (*policy).add_file(name, file).map_err(Failure::Error)?;
        Ok(String::new())
    })
}

#[no_mangle]
unsafe extern "C" fn lodekey_rego_add_data(
    policy: *mut Policy,
    json: *const u8,
    size: usize,
    out: *mut Text,
) -> Status {
    answer(out, || {
        (*policy).add_data(text(json, size)?).map_err(Failure::Error)?;
        Ok(String::new())
    })
}

#[no_mangle]
unsafe extern "C" fn lodekey_rego_compile(policy: *mut Policy, out: *mut Text) -> Status {
    answer(out, || {
        let tests = (*policy).compile().map_err(Failure::Error)?;
        Ok(tests.join("\n"))
    })
}

#[no_mangle]
unsafe extern "C" fn lodekey_rego_evaluate(
    policy: *const Policy,
    rule: *const u8,
    rule_size: usize,
    input: *const u8,
    input_size: usize,
    out: *mut Text,
) -> Status {
    answer(out, || (*policy).evaluate(text(rule, rule_size)?, text(input, input_size)?))
}
