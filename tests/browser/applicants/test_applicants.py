"""What applicants do with a browser: find a matter, apply, leave and come back, submit, follow, correct, withdraw; on a
small screen, by the keyboard, and without a script.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FilePayload, Page, expect
from pypdfium2 import PdfDocument

from registry import web
from registry.intake.applications import Item, Said
from registry.intake.moves import Action
from registry.intake.work import work
from tests.applicants.applying import (
    GUIDE,
    TEACHER,
    WAY_IN,
    applicant,
    case_of,
    import_teacher,
    open_form,
    typed_of,
)
from tests.browser.console.place import Place, device
from tests.browser.test_accessible import by_keyboard, fits, in_every_look, without_violation
from tests.examining import Signer, plain_pdf, signed_pdf, signer
from tests.intake.casework import TO_HANDLING, Desk, application, open_desk, step

SCREENS = os.environ.get("VERMILION_SCREENS")
"""A folder for pictures of the pages, for whoever wants to look at them."""


def keep(page: Page, name: str) -> None:
    if SCREENS:
        page.screenshot(path=f"{SCREENS}/{name}.png", full_page=True)


def look(page: Page, name: str) -> None:
    """A page that everybody can use."""
    keep(page, name)
    fits(page)
    without_violation(page)
    if page.locator("input[type=radio]").count() == 0:
        by_keyboard(page)
    else:  # a group is one stop, and arrows choose within it
        page.locator("input[type=radio]").first.focus()
        page.keyboard.press("ArrowDown")
        expect(page.locator("input[type=radio]").nth(1)).to_be_checked()


def desk_of(place: Place) -> Desk:
    """The matters of two agencies, which both take applications at these pages."""
    desk = open_desk(place.world)
    for agency in ("own", "other"):
        open_form(place.world, agency)
    import_teacher(place.world)
    served = place.served.app.extensions
    served[web.EXTENSION] = replace(served[web.EXTENSION], ports=place.world.ports)
    return desk


def with_signature(data: bytes, by: Signer) -> bytes:
    """Made apart: Playwright's event loop runs in this thread, and the tool runs one of its own."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(signed_pdf, data, by).result()


def a_file(data: bytes) -> FilePayload:
    return {"name": "a.pdf", "mimeType": "application/pdf", "buffer": data}


def fill(page: Page, typed: dict[str, str]) -> None:
    for name, value in typed.items():
        if name == "id_type":
            page.locator("#id_type").select_option(value)
        else:
            page.locator(f"#{name}").fill(value)


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_the_main_road(place: Place, browser: Browser, script: bool) -> None:
    """Without a script as with one."""
    desk, turn = desk_of(place), "desk" if script else "plain"
    typed = typed_of(application(place.world))
    origin = place.served.origin
    with device(browser, script=script) as context, device(browser, script=script) as other:
        page = context.new_page()
        page.goto(f"{origin}/holder/services")
        page.locator("#q").fill("食品经营")
        page.get_by_role("button", name="查找").click()
        expect(page.locator("ul.rows > li")).to_have_count(1)
        keep(page, f"{turn}-guides")
        page.get_by_role("link", name="食品经营许可（新办）").click()
        keep(page, f"{turn}-guide")
        page.get_by_role("link", name="网上申请").click()
        keep(page, f"{turn}-form")
        fill(page, {**typed, "id_code": "11990100MB0101055X", "f_contact_phone": ""})
        page.get_by_role("button", name="保存并继续").click()
        expect(page.get_by_role("alert")).to_contain_text("请更正以下内容")
        keep(page, f"{turn}-form-wrong")
        expect(page.locator("#f_premises")).to_have_value(typed["f_premises"])
        page.get_by_role("link", name="证件号码").click()
        page.locator("#id_code").fill(typed["id_code"])
        page.get_by_role("button", name="以后再填").click()
        expect(page.locator("h1")).to_have_text("您的申请（草稿）")
        keep(page, f"{turn}-draft")
        link = page.locator(".secret code").inner_text()

        page = other.new_page()  # another device
        page.goto(f"{origin}/holder/applications/")
        keep(page, f"{turn}-applications")
        page.locator("#draft").fill(link)
        page.get_by_role("button", name="打开草稿").click()
        page.get_by_role("link", name="继续填写").click()
        expect(page.locator("#f_operator_name")).to_have_value(typed["f_operator_name"])
        page.locator("#f_contact_phone").fill(typed["f_contact_phone"])
        page.get_by_role("button", name="保存并继续").click()
        expect(page.locator(".tasks .tag").first).to_have_text("已完成")
        page.get_by_role("link", name="继续填写").click()
        signed = with_signature(plain_pdf(), signer(typed["name"], typed["id_code"]))
        layout = page.locator("#material-layout")
        layout.locator("input").set_input_files(a_file(b"no pdf"))
        layout.locator("button").click()
        expect(page.get_by_role("alert")).to_contain_text("不是可用的文件")
        keep(page, f"{turn}-materials-wrong")
        layout.locator("input").set_input_files(a_file(signed))
        layout.locator("button").click()
        expect(layout).to_contain_text("签名人证书载明的号码与申请人一致。")
        keep(page, f"{turn}-materials")
        page.get_by_role("link", name="继续填写").click()
        page.get_by_role("link", name="核对并提交").click()
        keep(page, f"{turn}-review")
        page.get_by_role("button", name="生成申请表").click()
        with page.expect_download() as got:
            page.get_by_role("link", name="打开申请表").click()
        form = Path(got.value.path()).read_bytes()
        page.locator("summary").click()
        page.locator("#signed").set_input_files(a_file(with_signature(form, signer("别的公司"))))
        page.locator("details button").click()
        expect(page.locator("details")).to_contain_text("签名人证书载明的不是申请人。")
        keep(page, f"{turn}-review-form")
        page.get_by_role("button", name="提交申请").click()
        expect(page.get_by_role("alert")).to_contain_text("请作出真实性声明")
        page.locator("#declaration").check()
        page.get_by_role("button", name="提交申请").click()
        expect(page.locator("h1")).to_have_text("已提交")
        keep(page, f"{turn}-submitted")
        number, code = (one.inner_text() for one in page.locator(".big").all())

        case_id = case_of(place.world, number)
        step(desk, case_id, Action.RECEIVE)
        said = Said(
            "请补正下列内容。",
            (Item("layout", "缺少经营布局图"), Item("premises", "请写明门牌号")),
        )
        step(desk, case_id, Action.ASK_CORRECTION, said=said)
        page.goto(f"{origin}/holder/applications/")
        page.locator("#number").fill(number)
        page.locator("#code").fill("22222222")
        page.get_by_role("button", name="查询").click()
        expect(page.get_by_role("alert")).to_contain_text("这些信息无法匹配")
        page.locator("#number").fill(number)
        page.locator("#code").fill(code)
        page.get_by_role("button", name="查询").click()
        expect(page.locator("h1")).to_have_text("等待您补正")
        assert code.replace(" ", "") not in page.url
        keep(page, f"{turn}-correction-wanted")
        page.get_by_role("link", name="补正").click()
        page.get_by_role("link", name="查看和上传材料").click()
        layout = page.locator("#material-layout")
        layout.locator("input").set_input_files(a_file(plain_pdf("a layout")))
        layout.locator("button").click()
        keep(page, f"{turn}-materials-asked")
        page.get_by_role("link", name="继续填写").click()
        keep(page, f"{turn}-correction")
        page.locator("#f_premises").fill("云溪省样本市青禾区样本路8号")
        page.locator("#declaration").check()
        page.get_by_role("button", name="提交补正").click()
        expect(page.locator("h1")).to_have_text("已收件")
        page.get_by_role("link", name="撤回申请").click()
        keep(page, f"{turn}-withdrawal")
        page.get_by_role("button", name="确认撤回").click()
        expect(page.locator("h1")).to_have_text("已办结")
        expect(page.locator("ol.steps > li h3").nth(1)).to_have_text("申请已撤回。")
        keep(page, f"{turn}-withdrawn")


def seen(desk: Desk) -> list[tuple[str, str]]:
    """Every page, by a name for its picture: drafts, and a case in each state that has words of its own."""
    somebody = applicant(desk.world)
    complete, later = somebody.begun(), somebody.blank()
    somebody.post(f"{GUIDE}/application", {"draft": later, "name": "样本", "later": "yes"})
    made = application(desk.world)
    signed = with_signature(plain_pdf(), signer(made.name, made.id_code))
    somebody.send(f"{WAY_IN}{complete}/materials/layout", signed)
    somebody.drawn(complete)
    waiting, number, _ = somebody.submitted()
    said = Said("请补正。", (Item("layout", "缺少经营布局图"), Item("premises", "请写明门牌号")))
    step(desk, case_of(desk.world, number), Action.RECEIVE)
    step(desk, case_of(desk.world, number), Action.ASK_CORRECTION, said=said)
    done, number, _ = somebody.submitted()
    for action in (*TO_HANDLING[1:], Action.SUSPEND, Action.RESUME, Action.PERMIT):
        step(desk, case_of(desk.world, number), action)
    assert work(desk.ports).issued == 1
    return [
        ("guides", "/holder/services"),
        ("guides-agency", f"/holder/services?agency={desk.world.codes['own']}&q=许可"),
        ("guides-none", "/holder/services?q=xy"),
        ("guide", GUIDE),
        ("guide-none", "/holder/services/0000000000"),
        ("form", f"{GUIDE}/application"),
        ("form-teacher", f"/holder/services/{TEACHER}/application"),
        ("applications", WAY_IN),
        ("draft", f"{WAY_IN}{later}"),
        ("draft-details", f"{WAY_IN}{complete}/details"),
        ("materials", f"{WAY_IN}{complete}/materials"),
        ("materials-asked", f"{WAY_IN}{waiting}/materials"),
        ("review", f"{WAY_IN}{complete}/submission"),
        ("review-wrong", f"{WAY_IN}{later}/submission"),
        ("waiting", f"{WAY_IN}{waiting}"),
        ("correction", f"{WAY_IN}{waiting}/correction"),
        ("withdrawal", f"{WAY_IN}{waiting}/withdrawal"),
        ("done", f"{WAY_IN}{done}"),
        ("nothing", f"{WAY_IN}none"),
    ]


@pytest.mark.parametrize("lang", ["zh", "en", "es"])
def test_every_page_is_for_everybody(place: Place, browser: Browser, lang: str) -> None:
    """axe, the keyboard, a small screen; and what is wrong is told."""
    desk = desk_of(place)
    with device(browser, width=320) as context:
        page = context.new_page()
        for name, path in seen(desk):
            page.goto(f"{place.served.origin}{path}{'&' if '?' in path else '?'}lang={lang}")
            look(page, f"small-{name}-{lang}")
        page.goto(f"{place.served.origin}{GUIDE}/application?lang={lang}")
        page.locator("main form button").first.click()
        expect(page.get_by_role("alert")).to_be_visible()
        look(page, f"small-form-wrong-{lang}")
        page.goto(f"{place.served.origin}{WAY_IN}?lang={lang}")
        page.locator("#number").fill("2026")
        page.locator("#code").fill("2026")
        with page.expect_navigation():
            page.locator("form button").first.click()
        look(page, f"small-applications-wrong-{lang}")


def test_in_every_look(place: Place, browser: Browser) -> None:
    """Light, dark, in forced colours and on paper: what is read stands out."""
    desk = desk_of(place)
    pages = dict(seen(desk))
    with device(browser) as context:
        page = context.new_page()
        for name in ("guide", "materials", "review-wrong", "waiting", "correction", "done"):
            page.goto(f"{place.served.origin}{pages[name]}?lang=en")
            in_every_look(page)
        page.goto(f"{place.served.origin}{GUIDE}/application?lang=en")
        with page.expect_navigation():
            page.locator("main form button").first.click()
        in_every_look(page)


def test_number_and_code_are_printed_on_a_page(place: Place, browser: Browser) -> None:
    """With where they are typed; and nothing that is of no use on paper. A guide prints as well."""
    desk_of(place)
    token, number, code = applicant(place.world).submitted()
    with device(browser) as context:
        page = context.new_page()
        page.goto(f"{place.served.origin}{WAY_IN}{token}?lang=en")
        text = printed(page)
        if SCREENS:
            page.pdf(path=f"{SCREENS}/printed.pdf", format="A4")
        for part in (number, code, f"{place.served.origin}{WAY_IN}", "Submitted on", "20 November 2026"):
            assert "".join(part.split()) in "".join(text.split()), part
        for part in ("Withdraw the application", "Follow an application", "简体中文", token):
            assert part not in text, part
        page.goto(f"{place.served.origin}{GUIDE}?lang=en")
        guide = " ".join(pages_of(page))
        assert "Conditions" in guide
        assert "12345" in guide
        assert "Apply online" not in guide


def pages_of(page: Page) -> list[str]:
    """What stands on each sheet."""
    paper = PdfDocument(page.pdf(format="A4"))
    texts = [one.get_textpage().get_text_bounded() for one in paper]
    paper.close()
    return texts


def printed(page: Page) -> str:
    """What stands on the one sheet of paper."""
    (text,) = pages_of(page)
    return text
