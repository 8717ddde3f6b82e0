//! What `[region]` and the listeners' regions demand.

use std::path::PathBuf;

use super::*;

#[test]
fn regions_are_named_once_and_the_own_one_among_them() {
    error(&with("[region]\nown = «\"eu\"\n[[region.table]]\nname = \"cn\"\n"), "not in the table");
    error(&with("[region]\nown = «\"e u\"\n"), "no region name");
    error(&with("[region]\nown = \"cn\"\ntable = «[{ name = \"cn\" }, { name = \"cn\" }]\n"), "there twice");
    error(
        &with(
            "[region]\ntable = «[{ name = \"cn\", calling_codes = [86] }, { name = \"as\", calling_codes = [86] }]\n",
        ),
        "two regions serve calling code 86",
    );
    for wrong in ["example.cn", "https://", "https://me:s3cr3t@example.cn"] {
        let table = with(&format!("[[region.table]]\nname = \"cn\"\nbase_url = «{wrong:?}\n"));
        error(&table, "this is no base address");
        assert!(!lines(&findings(&table.replace('«', ""))).contains("s3cr3t"));
    }
    assert_eq!(settings(&with("[region]\nown = \"eu\"\n")).regions.table.len(), 1);
}

#[test]
fn regions_are_followed_only_where_that_can_work() {
    let two = "[[region.table]]\nname = \"cn\"\n[[region.table]]\nname = \"eu\"\n";
    let upstream = "upstream = { kind = \"http\", dialect = \"canonical\", addresses = [\"127.0.0.1:1\"] }\n";
    error(&with(&format!("[region]\nmode = «\"follow\"\n{two}")), "\"eu\", which has no upstream");
    error(&with(&format!("[region]\nmode = «\"ask\"\n{two}")), "no value \"ask\"");
    let followed = settings(&with(&format!("[region]\nmode = \"follow\"\n{two}{upstream}")));
    assert_eq!(followed.regions.mode, RegionMode::Follow);
    let regions: Vec<&str> = followed.upstreams().map(|(region, _)| region).collect();
    assert_eq!(regions, ["cn", "eu"]);
    for mode in ["follow", "auto"] {
        let text = format!("{SEAL}[store]\ninstances = 2\n[region]\nmode = «{mode:?}\n{two}{upstream}");
        error(&with(&text), "known to one instance alone");
        settings(&with(&text.replace('«', "").replace(mode, "tell")));
    }
    let own = upstream.replace("upstream = ", "upstream = «");
    error(&with(&format!("[[region.table]]\nname = \"cn\"\n{own}")), "that of [upstream]");
    warning(
        &with(&format!("[region]\nmode = \"tell\"\n{two}{}", upstream.replace("= {", "= «{"))),
        "no call goes to",
    );
    error(&with("[region]\nwrong_region_codes = [«true]\n"), "each a string or a number");
    assert_eq!(
        settings(&with("[region]\nwrong_region_codes = [\"MOVED\", 4021]\n")).regions.wrong_region_codes,
        ["MOVED", "4021"]
    );
    error(
        &with(
            "[region]\ntable = «[{ name = \"cn\", base_url = \"http://a\" }, { name = \"eu\", base_url = \"http://a\" }]\n",
        ),
        "have one base_url",
    );
    error(
        &with(&format!(
            "{two}upstream = {{ kind = \"http\", dialect = «\"nonsense\", addresses = [\"127.0.0.1:1\"] }}\n"
        )),
        "unknown dialect",
    );
}

#[test]
fn a_listener_serves_a_region_that_can_be_asked() {
    let listener = |region: &str, table: &str| {
        format!(
            "data_dir = \"data\"\n[[listener]]\naddress = «\"127.0.0.1:8080\"\nregion = {region:?}\n\
                 [upstream]\nkind = \"embedded\"\n[[region.table]]\nname = \"cn\"\n{table}"
        )
    };
    error(&listener("mars", ""), "\"mars\" of this listener is not in the table");
    error(&listener("eu", "[[region.table]]\nname = \"eu\"\n"), "has no upstream");
    let good = listener("eu", "[[region.table]]\nname = \"eu\"\nupstream = { kind = \"embedded\" }\n");
    let settings = settings(&good.replace('«', ""));
    assert_eq!(settings.region_of(&settings.listeners[0]), "eu");
    let backends: Vec<_> = settings.backends.iter().map(|backend| backend.database.clone()).collect();
    assert_eq!(backends, [PathBuf::from("data/accounts.db"), "data/eu/accounts.db".into()]);
    let shared = settings.backends.iter().map(|backend| backend.residents.clone().unwrap());
    assert!(shared.eq([PathBuf::from("data/residents.db"), "data/residents.db".into()]));
    let http = "[[listener]]\naddress = \"127.0.0.1:8080\"\n[upstream]\nkind = \"http\"\n\
                dialect = \"canonical\"\naddresses = [\"127.0.0.1:1\"]\n[region]\nresidents = «\"x\"\n";
    error(http, "without an embedded backend");
}
