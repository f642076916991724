"""The pages behind a proxy that shares a host: all of them under a path, and nothing of them elsewhere."""

import re
import urllib.parse

from playwright.sync_api import expect

import test_page
import test_sign_in

BASE = "/post/haste"


def under(test):
    """The test, with everything it asks for under the base path."""
    def run(case):
        case.base_path = BASE
        asked = []
        page_of = case.page

        def page(*args, **options):
            page = page_of(*args, **options)
            page.on("request", lambda request: asked.append(urllib.parse.urlsplit(request.url).path))
            return page

        case.page = page
        test(case)
        outside = [path for path in asked if path != BASE and not path.startswith(BASE + "/")]
        assert asked and not outside, f"asked for outside of {BASE}: {outside}"
    return run


test_under_a_base_path_sending = under(test_page.test_send_and_open_the_held_message)
test_under_a_base_path_signing_in = under(test_sign_in.test_sign_in_send_and_sign_out)
test_under_a_base_path_without_scripts = under(test_sign_in.test_sign_in_works_without_scripts)


@under
def test_under_a_base_path_the_reference_tries_it_out(case):
    server = case.server()
    page = case.page()
    page.goto(server.url)
    page.get_by_role("link", name="API", exact=True).click()
    expect(page).to_have_url(server.url + "/docs/")
    operation = page.locator("#operations-server-healthz")
    operation.locator(".opblock-summary").click()
    operation.get_by_role("button", name="Execute").click()
    expect(operation.locator(".request-url pre")).to_have_text(re.compile(re.escape(server.url + "/healthz")))
    expect(operation.locator(".live-responses-table tbody .response-col_status").first).to_contain_text("200")
