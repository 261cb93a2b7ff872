use rustix::process::setpriority_process;

/// Of ten parts of a busy core a thread that stands back gets one at the most. It still gets that, as what it does has to be
/// done when requests take all that there is.
const NICENESS: i32 = 10;

/// Has the calling thread, and those that it starts, wait for the workers rather than these for it. Where that is not
/// allowed it keeps the priority that all have.
pub fn stand_back() {
    // Without a number it is the calling thread (setpriority(2), "C library/kernel differences").
    let _ = setpriority_process(None, NICENESS);
}
