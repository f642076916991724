"""What a person sees once there are API keys: signing in, what the session may do, signing out."""

import json
import re
import urllib.request

from playwright.sync_api import expect

from test_page import badge, no_sideways_scroll, send


def make_key(server, token=None, **new):
    request = urllib.request.Request(
        server.url + "/v1/keys", data=json.dumps({"name": "Ada at the desk", **new}).encode(),
        headers={"content-type": "application/json", **({"authorization": f"Bearer {token}"} if token else {})})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def sign_in(page, token):
    page.get_by_label("API key").fill(token)
    page.get_by_role("button", name="Sign in").click()


def test_sign_in_send_and_sign_out(case):
    server = case.server()
    admin = make_key(server, scopes=["admin"])
    case.tolerate("401")
    page = case.page()
    page.goto(server.url + "/workers")
    expect(page).to_have_url(re.compile("/sign-in"))
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(page.get_by_role("link", name="Overview")).to_have_count(0)
    sign_in(page, "ph_nonsense")
    expect(page.get_by_role("alert")).to_contain_text("not known")
    expect(page.get_by_label("API key")).to_have_value("")
    sign_in(page, admin["token"])
    expect(page).to_have_url(server.url + "/workers")
    expect(page.get_by_text("Ada at the desk")).to_be_visible()
    assert "posthaste_session" not in page.evaluate("document.cookie"), "a script can read the session"
    page.get_by_role("link", name="Overview").click()
    expect(page.locator("#live")).to_have_text("Live")
    send(page, "dev@example.com", "Signed in", "Hello")
    expect(badge(page, "Succeeded")).to_be_visible()
    expect(page.locator(".row").first).to_contain_text("dev@example.com")
    send(page, "again@example.com")
    expect(page.locator(".row").first).to_contain_text("again@example.com")
    case.shot(page, "signed-in")
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(server.url + "/sign-in")
    page.goto(server.url + "/")
    expect(page).to_have_url(server.url + "/sign-in")


def test_a_session_ends_with_its_key_while_the_page_is_open(case):
    server = case.server()
    admin = make_key(server, scopes=["admin"])
    reader = make_key(server, admin["token"], scopes=["read"])
    case.tolerate("401")
    page = case.page()
    page.goto(server.url)
    sign_in(page, reader["token"])
    expect(page.get_by_text("may read and not send")).to_be_visible()
    expect(page.get_by_role("button", name="Send")).to_have_count(0)
    revoke = urllib.request.Request(server.url + f"/v1/keys/{reader['id']}", method="DELETE",
                                    headers={"authorization": f"Bearer {admin['token']}"})
    urllib.request.urlopen(revoke).close()
    task = urllib.request.Request(server.url + "/notify/?email=a@example.com", method="POST",
                                  headers={"authorization": f"Bearer {admin['token']}"})
    urllib.request.urlopen(task).close()
    expect(page).to_have_url(re.compile("/sign-in"), timeout=40_000)


def test_sign_in_works_without_scripts(case):
    server = case.server()
    admin = make_key(server, scopes=["admin"])
    case.tolerate("401")
    page = case.page(script=False)
    page.goto(server.url)
    sign_in(page, admin["token"])
    send(page, "plain@example.com")
    expect(page).to_have_url(re.compile("/tasks/"))
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_the_sign_in_page_fits_phone_and_desktop_light_and_dark(case):
    server = case.server()
    admin = make_key(server, scopes=["admin"])
    case.tolerate("401")
    for width, height in ((360, 740), (1280, 900)):
        for dark in (False, True):
            page = case.page(width, height, dark=dark)
            page.goto(server.url)
            sign_in(page, "ph_nonsense")
            expect(page.get_by_role("alert")).to_be_visible()
            no_sideways_scroll(page)
            name = f"{width}-{'dark' if dark else 'light'}"
            case.shot(page, f"sign-in-{name}")
            sign_in(page, admin["token"])
            expect(page.get_by_role("button", name="Sign out")).to_be_visible()
            no_sideways_scroll(page)
            case.shot(page, f"session-{name}")
