"""What a person sees and does. Each test has a server and a store of its own."""

import re

from playwright.sync_api import expect

PAGE_OF_ANOTHER_ORIGIN = """<!doctype html><meta charset="utf-8"><title>Old client</title>
<form><input id="email" type="email"><button>Notify</button></form>
<p id="accepted"></p><p id="status"></p><p id="result"></p>
<script>
const api = new URLSearchParams(location.search).get("api");
const show = (id, text) => { document.getElementById(id).textContent = text; };
document.querySelector("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const email = encodeURIComponent(document.getElementById("email").value);
  const response = await fetch(`${api}/notify/?email=${email}`, { method: "POST" });
  const { message, task_id } = await response.json();
  show("accepted", message);
  const timer = setInterval(async () => {
    const task = await (await fetch(`${api}/task_status/${task_id}`)).json();
    show("status", task.status);
    if (task.status !== "in progress") {
      clearInterval(timer);
      show("result", task.result || task.error);
    }
  }, 2000);
});
</script>"""


def send(page, email, subject="", message=""):
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Subject").fill(subject)
    page.get_by_label("Message").fill(message)
    page.get_by_role("button", name="Send").click()


def badge(page, text):
    return page.locator("#sent .badge", has_text=text)


def no_sideways_scroll(page):
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0, f"{page.url} scrolls sideways by {wide} px"


def test_send_and_open_the_held_message(case):
    server = case.server()
    page = case.page()
    page.goto(server.url)
    expect(page.get_by_text("no e-mail provider is configured, messages are held here")).to_be_visible()
    expect(page.get_by_text("Nothing here yet")).to_be_visible()
    expect(page.locator("#live")).to_have_text("Live")
    case.shot(page, "overview-empty")

    loads = []
    page.on("framenavigated", lambda frame: loads.append(frame.url))
    send(page, "dev@example.com", "Your order is on its way", "Hello,\n\nyour order <1042> is on its way.")
    expect(badge(page, "Succeeded")).to_be_visible()
    expect(page.locator("#sent")).to_contain_text("Notification held in the sandbox for dev@example.com")
    expect(page.locator("#announce")).to_contain_text(re.compile("held in the sandbox", re.I))
    # The list and the counts follow by themselves.
    expect(page.locator(".row").first).to_contain_text("dev@example.com")
    expect(page.locator(".row .badge").first).to_have_text("Succeeded")
    expect(page.locator(".tile.s-succeeded .tile-value")).to_have_text("1")
    assert not loads, f"the page was loaded again: {loads}"
    expect(page.get_by_label("E-mail address")).to_have_value("")
    case.shot(page, "overview-sent")

    page.get_by_role("link", name="Open the held message").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your order is on its way")
    expect(page.locator(".mail-head")).to_contain_text("dev@example.com")
    frame = page.frame_locator("iframe")
    expect(frame.locator("body")).to_contain_text("your order <1042> is on its way.")
    assert page.locator("iframe").get_attribute("sandbox") == "", "the frame has rights"
    page.get_by_text("Show the raw message").click()
    expect(page.locator("pre", has_text="Message-ID: ")).to_be_visible()
    case.shot(page, "message")
    page.get_by_role("link", name="Task", exact=True).click()
    expect(page.get_by_text("Attempt 1 succeeded")).to_be_visible()
    case.shot(page, "task-held")


def test_html_of_a_held_message_has_no_rights(case):
    server = case.server()
    page = case.page()
    html = (
        "<h1>Hi</h1><p style='color: green'>styled</p><img src='http://127.0.0.1:9/pixel.png'>"
        "<script>parent.document.title = 'broken out'</script>"
    )
    response = page.request.post(
        f"{server.url}/v1/tasks",
        data={"kind": "notify", "payload": {"channel": "email", "to": "dev@example.com", "subject": "S", "html": html}},
    )
    assert response.status == 202, response.text()
    task = page.request.get(f"{server.url}/v1/tasks/{response.json()['id']}?wait=10s").json()
    assert task["state"] == "succeeded", task
    # The browser reports what the policy kept the message from doing: that is the point.
    case.tolerate("127.0.0.1:9")
    case.tolerate("Blocked script execution")
    page.goto(f"{server.url}/tasks/{task['id']}/message")
    frame = page.frame_locator("iframe")
    expect(frame.locator("h1")).to_have_text("Hi")
    expect(frame.locator("p")).to_have_css("color", "rgb(0, 128, 0)")
    assert "broken" not in page.title()
    assert any("127.0.0.1:9" in c for c in case.complaints), "the image was not blocked by the policy"


def test_failure_says_why_and_can_be_retried(case):
    sink = case.mail({
        "nobody@example.com": "550 5.1.1 <nobody@example.com>: no such user here",
        "closed@example.com": "550 5.7.1 <closed@example.com>: not allowed",
    })
    server = case.server({"POSTHASTE_SMTP_URL": sink.url, "POSTHASTE_EMAIL_FROM": "Shop <shop@example.com>"})
    page = case.page()
    page.goto(server.url)
    expect(page.locator(".banner")).to_have_count(0)
    send(page, "nobody@example.com", "Welcome", "Hello")
    expect(badge(page, "Failed")).to_be_visible()
    sent = page.locator("#sent")
    expect(sent).to_contain_text("The recipient does not exist")
    expect(sent).to_contain_text("no such user here")
    expect(sent).to_contain_text("5.1.1")
    expect(sent).to_contain_text("1 try")
    case.shot(page, "overview-failed")

    sent.get_by_role("link", name="Details").click()
    expect(page.get_by_text("Attempt 1 failed")).to_be_visible()
    case.shot(page, "task-failed")

    # An address that does not exist stays suppressed; another refusal may be mended and retried.
    page.goto(server.url)
    send(page, "closed@example.com", "Welcome", "Hello")
    expect(badge(page, "Failed")).to_be_visible()
    expect(sent).to_contain_text("Refused for good")
    sent.get_by_role("link", name="Details").click()
    expect(page.get_by_text("Attempt 1 failed")).to_be_visible()
    sink.rcpt.clear()
    page.get_by_role("button", name="Retry").click()
    expect(page.locator(".status .badge")).to_have_text("Succeeded")
    expect(page.get_by_text("Notification sent to closed@example.com").first).to_be_visible()
    expect(page.get_by_text("Attempt 1 of generation 2 succeeded")).to_be_visible()
    assert len(sink.messages) == 1 and "Subject: Welcome" in sink.messages[0]


def test_retrying_shows_when_and_can_be_cancelled(case):
    sink = case.mail({"slow@example.com": "451 4.3.0 try again later"})
    server = case.server({"POSTHASTE_SMTP_URL": sink.url, "POSTHASTE_EMAIL_FROM": "shop@example.com"})
    page = case.page()
    page.goto(server.url)
    send(page, "slow@example.com")
    expect(badge(page, "Retrying")).to_be_visible()
    sent = page.locator("#sent")
    expect(sent.locator(".next")).to_contain_text(re.compile(r"Next try\s+in \d+ s"))
    expect(sent).to_contain_text("try again later")
    case.shot(page, "overview-retrying")
    sent.get_by_role("button", name="Cancel").click()
    expect(badge(page, "Cancelled")).to_be_visible()
    expect(page.locator(".row .badge").first).to_have_text("Cancelled")
    assert sink.messages == []


def test_what_is_typed_wrong_is_said_beside_its_field(case):
    server = case.server()
    page = case.page()
    case.tolerate("422")
    page.goto(server.url)
    field = page.get_by_label("E-mail address")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#email-error")).to_have_text("Enter the e-mail address to send to.")
    expect(field).to_be_focused()
    assert field.get_attribute("aria-invalid") == "true"
    # What only the server knows comes back to the same place, and nothing is lost.
    send(page, "dev@nodot", "kept", "kept too")
    expect(page.locator("#email-error")).to_contain_text("should have a dot")
    expect(page.get_by_label("Subject")).to_have_value("kept")
    expect(page.get_by_label("Message")).to_have_value("kept too")
    case.shot(page, "overview-refused")
    send(page, "dev@example.com", "kept", "kept too")
    expect(badge(page, "Succeeded")).to_be_visible()
    expect(page.locator("#email-error")).to_be_empty()


def test_keyboard_alone(case):
    server = case.server()
    page = case.page()
    page.goto(server.url)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("E-mail address")).to_be_focused()
    page.keyboard.type("keys@example.com")
    page.keyboard.press("Enter")
    expect(badge(page, "Succeeded")).to_be_visible()
    # A list that is swapped for a newer one keeps the focus where it was.
    row = page.locator(".row").first
    expect(row).to_contain_text("keys@example.com")
    row.focus()
    href = row.get_attribute("href")
    page.request.post(f"{server.url}/notify/?email=other@example.com")
    expect(page.locator(".row").first).to_contain_text("other@example.com")
    assert page.evaluate("document.activeElement.getAttribute('href')") == href


def test_polling_when_there_is_no_stream(case):
    sink = case.mail({"slow@example.com": "451 4.3.0 try again later"})
    server = case.server({"POSTHASTE_SMTP_URL": sink.url, "POSTHASTE_EMAIL_FROM": "shop@example.com"})
    page = case.page()
    case.tolerate("net::ERR_FAILED")
    page.route("**/events", lambda route: route.abort())
    page.goto(server.url)
    expect(page.locator("#live")).to_have_text("Checking every 2 s")
    send(page, "slow@example.com")
    expect(badge(page, "Retrying")).to_be_visible()
    expect(page.locator(".row .badge").first).to_have_text("Retrying")
    task = page.locator("#sent [data-task]").get_attribute("data-task")
    assert page.request.post(f"{server.url}/v1/tasks/{task}/cancel").ok
    expect(badge(page, "Cancelled")).to_be_visible()


def test_server_gone_keeps_what_was_typed(case):
    server = case.server()
    page = case.page()
    case.tolerate("net::ERR_")
    page.goto(server.url)
    server.stop()
    send(page, "dev@example.com", "kept", "kept too")
    expect(page.locator("#form-problem")).to_contain_text("What you typed is still here")
    expect(page.get_by_label("Message")).to_have_value("kept too")
    expect(page.locator("#live")).to_have_text("No connection, trying again")
    case.shot(page, "overview-gone")


def test_page_of_another_origin_works_unchanged(case):
    server = case.server()
    site = case.site(PAGE_OF_ANOTHER_ORIGIN)
    page = case.page()
    page.goto(f"{site.url}?api={server.url}")
    page.locator("#email").fill("old@example.com")
    page.get_by_role("button", name="Notify").click()
    expect(page.locator("#accepted")).to_have_text("Email will be sent to old@example.com")
    expect(page.locator("#status")).to_have_text("completed")
    expect(page.locator("#result")).to_contain_text("old@example.com")
    # Everything else is not for other sites.
    blocked = page.evaluate("(api) => fetch(`${api}/v1/tasks`).then(() => false, () => true)", server.url)
    assert blocked, "a page of another origin could read the list of tasks"
    case.tolerate("CORS policy")
    case.tolerate("net::ERR_FAILED")
    case.tolerate("403")


def test_without_javascript(case):
    server = case.server()
    page = case.page(script=False)
    page.goto(server.url)
    send(page, "plain@example.com", "No script", "works")
    page.wait_for_url("**/tasks/*")
    # The page reloads itself until the task is final.
    expect(page.locator(".status .badge")).to_have_text("Succeeded")
    page.get_by_role("link", name="Open the held message").click()
    expect(page.frame_locator("iframe").locator("body")).to_contain_text("works")
    page.goto(server.url)
    expect(page.locator(".row").first).to_contain_text("plain@example.com")
    expect(page.locator("#live")).to_be_hidden()


def test_phone_and_dark(case):
    server = case.server()
    long = "a.very.long.mailbox.name.that.goes.on.and.on@subdomain.of.a.long.example.com"
    for width, dark in ((360, False), (360, True), (320, False), (1280, True)):
        page = case.page(width=width, height=740, dark=dark)
        page.goto(server.url)
        send(page, long, "A subject of more than usual length " * 4, "x" * 300)
        expect(badge(page, "Succeeded")).to_be_visible()
        expect(page.locator(".row").first).to_contain_text(long)
        no_sideways_scroll(page)
        name = f"{width}-{'dark' if dark else 'light'}"
        case.shot(page, f"overview-{name}")
        lightness = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0]")
        assert (lightness < 60) == dark, f"dark is {dark} and the background {lightness}"
        page.locator("#sent").get_by_role("link", name="Details").click()
        expect(page.get_by_text("Attempt 1 succeeded")).to_be_visible()
        no_sideways_scroll(page)
        case.shot(page, f"task-{name}")
        page.get_by_role("link", name="Open the held message").click()
        expect(page.frame_locator("iframe").locator("body")).to_contain_text("xxx")
        no_sideways_scroll(page)
        case.shot(page, f"message-{name}")


def test_workers_and_what_they_run(case):
    grace = ("--shutdown-grace", "1s")
    server = case.server({"POSTHASTE_SMTP_URL": case.silence(), "POSTHASTE_EMAIL_FROM": "shop@example.com"}, grace)
    for n in range(10):
        case.page().request.post(f"{server.url}/notify/?email=customer{n}@example.com&subject=Order+{n}")
    for width, dark in ((360, False), (360, True), (1280, False), (1280, True)):
        page = case.page(width=width, height=740, dark=dark)
        page.goto(server.url)
        page.get_by_role("navigation").get_by_role("link", name="Workers").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Workers")
        worker = page.locator(".worker")
        expect(worker).to_have_count(1)
        expect(worker.get_by_text("customer9@example.com")).to_be_visible()
        expect(worker.get_by_text("and 2 more")).to_be_visible()
        # The heartbeat tells that it is busy; the page follows by itself.
        expect(worker.locator(".badge")).to_have_text("Busy")
        expect(worker.get_by_text("10 of 64 slots busy")).to_be_visible()
        no_sideways_scroll(page)
        case.shot(page, f"workers-{width}-{'dark' if dark else 'light'}")
    worker.get_by_text("customer9@example.com").click()
    expect(page.locator(".status .badge")).to_have_text("Running")


def test_workers_without_javascript(case):
    server = case.server()
    page = case.page(script=False)
    page.goto(f"{server.url}/workers")
    expect(page.locator(".worker .badge")).to_have_text("Idle")
    assert 'http-equiv="refresh"' in page.content(), "nothing reloads the page where scripts do not run"
