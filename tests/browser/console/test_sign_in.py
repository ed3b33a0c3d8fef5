"""The console before a real browser: passkeys by Chromium's virtual authenticator, and all else without a script."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from registry.console import passwords, sessions, totp
from tests.browser.console.place import Place, device
from tests.browser.test_accessible import by_keyboard, fits, without_violation
from tests.registry.signing_in import PASSWORD, secret_on


@pytest.fixture(scope="module", autouse=True)
def cheap() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "LOG_N", 5)
        patch.setattr(passwords, "P", 1)
        yield


def authenticator(page: Page, *, verified: bool = True) -> str:
    """A platform authenticator, as a phone or a laptop has it; its id."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    made = session.send(
        "WebAuthn.addVirtualAuthenticator",
        {
            "options": {
                "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
                "isUserVerified": verified, "automaticPresenceSimulation": True,
            }
        },
    )  # fmt: skip
    return str(made["authenticatorId"])


def open_invitation(page: Page, place: Place, person: str) -> None:
    link, code = place.invited(person)
    page.goto(link)
    page.locator("#code").fill(code)
    page.locator("form.card button").click()
    expect(page).to_have_url(f"{place.console}/enrol/choose")


def test_a_passkey_from_the_invitation_to_signing_out(place: Place, browser: Browser) -> None:
    with device(browser) as context:
        page = context.new_page()
        authenticator(page)
        open_invitation(page, place, "keeper")
        page.locator("#label").fill("我的手机")
        page.get_by_role("button", name="创建通行密钥").click()
        expect(page.get_by_role("status").first).to_have_text("设置完成，现在可以登录。")
        page.get_by_role("button", name="使用通行密钥登录").click()
        expect(page.locator("h1")).to_have_text("样本keeper，您好")
        assert not any("HTTP_COOKIE: console-step" in seen for seen in place.served.seen[-1:])
        page.get_by_role("link", name="我的账户").click()
        expect(page.locator(".rows b")).to_have_text("我的手机")
        expect(page.locator("tbody tr")).to_have_count(1)
        page.get_by_role("button", name="退出", exact=True).click()
        expect(page.locator("h1")).to_have_text("登录")
        page.locator("#account").fill("keeper")  # by the account's name, and to the page that was asked for
        page.goto(f"{place.console}/account")
        expect(page).to_have_url(f"{place.console}/sign-in?next=/console/account")
        page.locator("#account").fill("keeper")
        page.get_by_role("button", name="使用通行密钥登录").click()
        expect(page.locator("h1")).to_have_text("我的账户")


def test_one_more_passkey_wants_a_factor_shown_again(place: Place, browser: Browser) -> None:
    with device(browser) as context:
        page = context.new_page()
        authenticator(page)
        open_invitation(page, place, "keeper")
        page.get_by_role("button", name="创建通行密钥").click()
        page.get_by_role("button", name="使用通行密钥登录").click()
        expect(page.locator("h1")).to_have_text("样本keeper，您好")
        place.clock.advance(sessions.FRESH)
        page.goto(f"{place.console}/account")
        page.get_by_role("button", name="创建通行密钥").click()
        expect(page.locator("h1")).to_have_text("请再次验证身份")
        page.get_by_role("button", name="使用通行密钥确认").click()
        expect(page.locator("h1")).to_have_text("我的账户")
        page.get_by_role("button", name="创建通行密钥").click()
        expect(page.locator("section .said")).to_have_text("本设备上已有您的通行密钥。")


def test_an_authenticator_that_knows_nobody_signs_nobody_in(place: Place, browser: Browser) -> None:
    with device(browser) as context:
        page = context.new_page()
        authenticator(page, verified=False)
        open_invitation(page, place, "keeper")
        page.get_by_role("button", name="创建通行密钥").click()
        expect(page.locator("section .said")).to_have_text(
            "没有完成：操作被取消、超时，或本设备没有相应的通行密钥。"
        )
        page.goto(f"{place.console}/sign-in")
        page.get_by_role("button", name="使用通行密钥登录").click()
        expect(page.locator("section .said")).to_have_text(
            "没有完成：操作被取消、超时，或本设备没有相应的通行密钥。"
        )


def test_all_but_passkeys_without_a_script(place: Place, browser: Browser) -> None:
    with device(browser, script=False) as context:
        page = context.new_page()
        open_invitation(page, place, "officer")
        expect(page.get_by_role("button", name="创建通行密钥")).to_be_hidden()
        secret = secret_on(page.content())
        page.locator("#password").fill(PASSWORD)
        page.locator("#repeated").fill(PASSWORD)
        page.locator("#code").fill("000000")
        page.locator("form.card button").click()
        expect(page.get_by_role("alert")).to_have_text("验证码不正确或已使用过。请等待新的验证码。")
        step = totp.step_of(place.clock())
        page.locator("#password").fill(PASSWORD)
        page.locator("#repeated").fill(PASSWORD)
        page.locator("#code").fill(totp.hotp(secret, step))
        page.locator("form.card button").click()
        page.locator("#account").fill("officer")
        page.locator("#password").fill("wrong horse battery")
        page.locator("form.card button").click()
        expect(page.get_by_role("alert")).to_have_text("账户名或密码不正确。")
        expect(page.locator("#account")).to_have_value("officer")
        page.locator("#password").fill(PASSWORD)
        page.locator("form.card button").click()
        page.locator("#code").fill(totp.hotp(secret, step + 1))
        page.locator("form.card button").click()
        expect(page.locator("h1")).to_have_text("样本officer，您好")
        page.get_by_role("link", name="English").click()
        expect(page.locator("h1")).to_have_text("Good day, 样本officer")
        page.get_by_role("link", name="My account").click()
        expect(page.locator("html")).to_have_attribute("lang", "en")
        page.get_by_role("button", name="Sign out everywhere").click()
        expect(page.locator("h1")).to_have_text("Sign in")


def test_every_page_is_for_everybody(place: Place, browser: Browser) -> None:
    """axe, the keyboard, and a small screen; in both languages, and with something wrong."""
    with device(browser, width=320) as context:
        page = context.new_page()
        authenticator(page)

        def look() -> None:
            for lang in ("en", "zh"):
                address = page.url.partition("?")[0]
                kept = page.url.partition("?")[2]
                page.goto(
                    f"{address}?lang={lang}&{kept}" if "invitation" in kept else f"{address}?lang={lang}"
                )
                fits(page)
                without_violation(page)
                by_keyboard(page)

        page.goto(f"{place.console}/enrol")
        look()
        open_invitation(page, place, "keeper")
        look()
        page.locator("#password").fill("short")
        page.locator("#repeated").fill("short")
        page.locator("#code").fill("000000")
        page.locator("form.card button").last.click()
        expect(page.get_by_role("alert")).to_be_visible()
        fits(page)
        without_violation(page)
        page.get_by_role("button", name="创建通行密钥").click()
        expect(page.locator("h1")).to_have_text("登录")
        look()
        page.get_by_role("button", name="使用通行密钥登录").click()
        expect(page.locator("h1")).to_have_text("样本keeper，您好")
        for path in ("/", "/account", "/confirm", "/nowhere"):
            page.goto(place.console + path)
            look()


def test_no_other_site_posts_in_somebody_s_name(place: Place, browser: Browser) -> None:
    with device(browser) as context:
        page = context.new_page()
        authenticator(page)
        open_invitation(page, place, "keeper")
        page.get_by_role("button", name="创建通行密钥").click()
        page.get_by_role("button", name="使用通行密钥登录").click()
        expect(page.locator("h1")).to_have_text("样本keeper，您好")
        address = f"{place.console}/sign-out"
        other = context.new_page()
        other.route(
            "http://elsewhere.test/",
            lambda route: route.fulfill(
                content_type="text/html",
                body=f'<form method="post" action="{address}"><button>x</button></form>',
            ),
        )
        other.goto("http://elsewhere.test/")
        other.get_by_role("button").click()
        expect(other.locator("h1")).to_have_text(
            "请求不是由工作台页面发出的，已拒绝。请从工作台自己的网址打开。"
        )
        page.goto(f"{place.console}/")
        expect(page.locator("h1")).to_have_text("样本keeper，您好")
