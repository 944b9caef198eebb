"""The page at / in headless Chromium (Debian: chromium, chromium-driver), driven by selenium: types, streams, stops, tries again,
changes a message, reloads, on a screen and on a phone, light and dark.

    python page_client.py http://HOST:PORT       screenshots go to build/clients
"""
import shutil
import sys
import time

import selenium
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from support import KEY, ROOT, check, metric, same, url

base = url()
if not (shutil.which("chromium") and shutil.which("chromedriver")):
    print("page: SKIPPED, chromium or chromedriver is missing (Debian: chromium, chromium-driver)")
    sys.exit()
pictures = ROOT / "build/clients"
pictures.mkdir(parents=True, exist_ok=True)

options = webdriver.ChromeOptions()
options.binary_location = shutil.which("chromium")
for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--window-size=1200,800"):
    options.add_argument(argument)
options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
wait = WebDriverWait(browser, 60, poll_frequency=0.02)


def one(selector):
    return browser.find_element(By.CSS_SELECTOR, selector)


def messages():
    """Role, text, note and version of each message on the page."""
    return [tuple(row) for row in browser.execute_script("""
        return [...document.querySelectorAll(".message")].map((message) => [message.dataset.role,
            ...[".text", ".note", ".count"].map((part) => message.querySelector(part).textContent)])""")]


def busy():
    return browser.find_elements(By.CSS_SELECTOR, "[aria-busy=true]") != []


def press(*keys):
    webdriver.ActionChains(browser).key_down(keys[0]).send_keys(*keys[1:]).key_up(keys[0]).perform()


def set_options(**values):
    one("#open-settings").click()
    for name, value in values.items():
        field = one(f"#fields [name={name}]")
        if field.tag_name == "select":
            field.send_keys(value)
        else:
            field.clear()
            field.send_keys(str(value))
    one("#settings .primary").click()


def picture():
    return browser.execute_script("return byId('picture').toDataURL()")


def wait_for_end():
    wait.until(lambda _: not busy())


def emulate(theme, width, height):
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": theme}]})
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600})
    time.sleep(0.2)


def look(name):
    """A screenshot; and nothing is wider than the screen, everything to press or fill in has a name."""
    browser.save_screenshot(str(pictures / f"page-{name}.png"))
    check(browser.execute_script("return document.documentElement.scrollWidth <= innerWidth"), f"{name}: fits the screen")
    for node in browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]:
        if not node["ignored"] and node["role"]["value"] in ("button", "textbox", "spinbutton", "combobox", "image", "dialog"):
            check(node.get("name", {}).get("value"), f"{name}: a name for {node['role']['value']} {node.get('properties')}")


try:
    browser.get(base)
    wait.until(lambda _: "API key" in one("#model").text)  # it is missing
    set_options(key=KEY, max_tokens=120, seed=5)
    wait.until(lambda _: one("#model").text and "key" not in one("#model").text)

    # An answer comes in parts, and with it speed and picture of the state.
    blank = picture()
    browser.execute_script("""
        window.lengths = new Set();
        new MutationObserver(() => lengths.add([...document.querySelectorAll(".message .text")].at(-1).textContent.length))
            .observe(byId("log"), { childList: true, subtree: true });""")
    one("#input").send_keys("Once upon a time", Keys.SHIFT + Keys.ENTER + Keys.NULL, "there was a king" + Keys.ENTER)
    wait.until(lambda _: len(messages()) == 2 and not busy())
    lengths = browser.execute_script("return [...lengths]")
    check(len(lengths) > 3, f"the text grows: {lengths}")
    same([message[:2] for message in messages()][0], ("user", "Once upon a time\nthere was a king"), "the message")
    first = messages()[1]
    check(first[0] == "assistant" and len(first[1]) > 100, "an answer")
    same(first[2], "ended by the maximum of tokens", "why it ended")
    speed = one("#speed").text
    check("Tokens/s" in speed and "Tokens written\n120" in speed, f"speed: {speed}")
    drawn = picture()
    check(drawn != blank, "a picture of the state")

    # It goes on where it ended.
    set_options(max_tokens=40)
    one(".message:last-of-type [data-do=continue]").click()
    wait_for_end()
    check(messages()[1][1].startswith(first[1]) and len(messages()[1][1]) > len(first[1]), "an answer goes on")
    check(picture() != drawn, "another picture")
    first = messages()[1]

    # Stopped by Escape; the server knows.
    set_options(max_tokens=100000)
    one("#input").send_keys("And then?" + Keys.ENTER)
    wait.until(lambda _: len(messages()) == 4 and messages()[-1][1])
    one("#input").send_keys(Keys.ESCAPE)
    wait_for_end()
    same(messages()[3][2], "stopped", "a stopped answer")
    deadline = time.monotonic() + 5
    while metric(base, "rwkv_requests_running") and time.monotonic() < deadline:
        time.sleep(0.05)
    same(metric(base, "rwkv_requests_running"), 0, "requests that the server has")

    # Another version, and back; a changed message is a branch, and the earlier one stays.
    set_options(max_tokens=20, seed=6)
    stopped = messages()[3]
    press(Keys.ALT, "r")
    wait.until(lambda _: not busy() and messages()[3][3] == "2 / 2")
    press(Keys.ALT, Keys.ARROW_UP)
    same(messages()[3], stopped[:3] + ("1 / 2",), "the first version")
    one(".message:nth-of-type(1) [data-do=edit]").click()
    one("#input").clear()
    one("#input").send_keys("<img src=x onerror=alert(1)> <b>not bold</b>" + Keys.ENTER)
    wait.until(lambda _: not busy() and len(messages()) == 2)
    same(messages()[0][1:4:2], ("<img src=x onerror=alert(1)> <b>not bold</b>", "2 / 2"), "markup is text")
    same(browser.find_elements(By.CSS_SELECTOR, "#log img, #log b"), [], "elements made of text")
    one(".message:nth-of-type(1) [data-do=previous]").click()
    same(messages()[1][:2], first[:2], "the earlier branch")

    # All is there after a reload, but the picture of a new conversation.
    kept = messages()
    browser.refresh()
    wait.until(lambda _: one("#model").text)
    same(messages(), kept, "what stays after a reload")
    for theme, width, height, name in [("light", 1200, 800, "light"), ("dark", 1200, 800, "dark"), ("light", 390, 780, "phone"),
                                       ("dark", 390, 780, "phone-dark")]:
        emulate(theme, width, height)
        look(name)
    one("#open-settings").click()
    look("phone-settings")
    one("#settings .primary").click()
    emulate("light", 1200, 800)
    press(Keys.ALT, "n")
    same(messages(), [], "a new conversation")
    same(len(browser.find_elements(By.CSS_SELECTOR, "#earlier button")), 2, "earlier conversations")
    look("new")
    one("#earlier button").click()
    same(messages()[0][1][:4], "<img", "an earlier conversation")

    # An error of the server is shown.
    set_options(temperature=5, key="wrong")
    one("#input").send_keys("x" + Keys.ENTER)
    wait.until(lambda _: "API key" in one(".message:last-of-type .trouble").text)
    troubles = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE" and "401" not in entry["message"]]
    same(troubles, [], "errors of the page")
    version = browser.capabilities["browserVersion"]
finally:
    browser.quit()
print(f"page, in Chromium {version} by selenium {selenium.__version__}: passed; screenshots in build/clients")
