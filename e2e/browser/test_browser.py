"""The harness itself: a Chromium that dies takes one test with it at most, and no failure is hidden by that."""

import contextlib
import io

from playwright.sync_api import expect

import harness


def results(case, *tests):
    """Whether each of these passes on the browser of `case`, and what was printed."""
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()):
        passed = [harness.run_test(case.browser, test.__name__, test, case.binary) for test in tests]
    return passed, out.getvalue()


def test_a_browser_that_dies_is_started_again(case):
    tries = []

    def dies_once(inner):
        page = inner.page()
        tries.append(page)
        if len(tries) == 1:
            inner.browser.crash()
        page.goto("about:blank")

    def dies_once_awaited(inner):
        page = inner.page()
        tries.append(page)
        page.set_content("<p>here</p>")
        if len(tries) == 1:
            inner.browser.crash()
        expect(page.get_by_text("here")).to_be_visible()

    def dies_always(inner):
        page = inner.page()
        tries.append(page)
        inner.browser.crash()
        page.goto("about:blank")

    def works(inner):
        inner.page().goto("about:blank")

    for test in (dies_once, dies_once_awaited):
        tries.clear()
        passed, said = results(case, test)
        assert (passed, len(tries)) == ([True], 2), said
        assert f"again {test.__name__}: Chromium itself died" in said, said
    tries.clear()
    passed, said = results(case, dies_always, works)
    assert (passed, len(tries)) == ([False, True], 2), said


def test_a_failed_assertion_is_never_run_again(case):
    tries = []

    def fails(inner):
        tries.append(inner.page())
        raise AssertionError("it is wrong")

    def fails_as_it_dies(inner):
        tries.append(inner.page())
        inner.browser.crash()
        raise AssertionError("it is wrong")

    def fails_on_a_page(inner):
        page = inner.page()
        tries.append(page)
        try:
            expect(page.get_by_text("what is not there")).to_be_visible(timeout=1)
        finally:
            inner.browser.crash()

    def breaks(inner):
        tries.append(inner.page())
        raise KeyError("no browser's doing")

    def works(inner):
        inner.page().goto("about:blank")

    passed, said = results(case, fails, fails_as_it_dies, fails_on_a_page, breaks, works)
    assert passed == [False, False, False, False, True], said
    assert len(tries) == 4 and "again" not in said, said
