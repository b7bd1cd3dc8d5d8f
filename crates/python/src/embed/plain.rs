//! Objects of the classes that `wisp.host.embed.classes` makes, without a call of their `__init__`: that is Python code, and for a frozen
//! dataclass takes longer than the call into the guest. The only unsafe code of the seam.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyType};

/// A class whose objects are no more than their attributes.
#[derive(Debug)]
pub(crate) struct Plain(Py<PyType>);

/// An object whose attributes are being set.
pub(crate) struct Unfinished<'py>(Bound<'py, PyAny>);

impl Plain {
    /// `None` for a class whose objects have to be made by calling it.
    pub(crate) fn of(class: &Bound<'_, PyAny>) -> PyResult<Option<Self>> {
        let py = class.py();
        let object = py.get_type::<PyAny>();
        let Ok(class) = class.cast::<PyType>() else {
            return Ok(None);
        };
        let plain = class.getattr("__base__")?.is(&object)
            && class.getattr("__new__")?.is(&object.getattr("__new__")?)
            && class.get_type().is(py.get_type::<PyType>())
            && !class.hasattr("__post_init__")?;
        Ok(plain.then(|| Self(class.clone().unbind())))
    }

    /// What `object.__new__` makes of the class.
    pub(crate) fn begin<'py>(&self, py: Python<'py>) -> PyResult<Unfinished<'py>> {
        let class = self.0.bind(py).as_type_ptr();
        #[expect(
            unsafe_code,
            reason = "object.__new__ without looking it up; see SAFETY"
        )]
        // SAFETY: the class is an ordinary one, made by a class statement upon `object` alone, and has its `__new__`, which does
        // nothing but this call; Python never lets the base of a class change to one of another layout. What comes back is ours,
        // or null with an exception set, as `from_owned_ptr_or_err` wants it.
        let made = unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyType_GenericAlloc(class, 0)) };
        made.map(Unfinished)
    }
}

impl<'py> Unfinished<'py> {
    /// Sets an attribute, although the class is frozen: nobody has seen the object yet.
    pub(crate) fn set(&self, name: &Py<PyString>, value: &Bound<'py, PyAny>) -> PyResult<()> {
        #[expect(
            unsafe_code,
            reason = "object.__setattr__ without looking it up; see SAFETY"
        )]
        // SAFETY: all three are objects that live for longer than the call, which takes no reference of ours; it sets an exception
        // when it does not return zero.
        let failed = unsafe {
            ffi::PyObject_GenericSetAttr(self.0.as_ptr(), name.as_ptr(), value.as_ptr()) != 0
        };
        if failed {
            return Err(PyErr::fetch(value.py()));
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> Bound<'py, PyAny> {
        self.0
    }
}
