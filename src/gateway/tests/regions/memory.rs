//! What was learned of accounts, and what one region handed out.

use super::*;

#[tokio::test]
async fn a_send_is_never_followed_and_goes_straight_only_where_its_account_was_found() {
    let house = canonical_house();
    house.bench.upstream.will([wrong_region(Some("eu"))]);
    let (outcome, record) = house.outcome(shopxo_send("13800138001")).await;
    assert_eq!(outcome, Outcome::Problem(ProblemCode::WrongRegion));
    assert_eq!((record.hops, house.asked()), (0, [1, 0, 0]));

    house.bench.upstream.will([wrong_region(Some("eu"))]);
    house.eu.will([session("eu")]);
    assert_eq!(house.outcome(login_as("shopxo", "13800138002")).await.0, Outcome::Success);
    house.asked();
    let sent = json!({"challenge": "c-eu", "expires_in": 300, "resend_in": 120}).to_string();
    house.eu.will([Ok((202, sent))]);
    let (outcome, record) = house.outcome(shopxo_send("13800138002")).await;
    assert_eq!((outcome, record.routed), (Outcome::Success, Some(RoutedBy::Learned)));
    assert_eq!(house.asked(), [0, 1, 0]);
    // The code is answered where it was sent from, with what came with it.
    house.eu.will([session("eu")]);
    let by_code = json!({"accounts": "13800138002", "verify": "1234", "type": "sms"}).to_string();
    let json = [("content-type", "application/json")];
    let by_code = request("POST", "/api.php?s=user/login", &json, &by_code);
    assert_eq!(house.outcome(by_code).await.0, Outcome::Success);
    let asked = house.eu.asked.lock().unwrap().remove(0);
    assert_eq!(body(&asked)["verification"]["challenge"], "c-eu");
    // It moved home: the send fails, since nobody is asked to send twice, and the next one goes home.
    house.bench.clock.set(Moment::from_seconds(NOW + 1800));
    house.eu.will([wrong_region(Some("cn"))]);
    let (outcome, record) = house.outcome(shopxo_send("13800138002")).await;
    assert_eq!((outcome, record.hops), (Outcome::Problem(ProblemCode::SendFailed), 0));
    assert!(!record.regions_disagree);
    house.bench.upstream.will([wrong_region(Some("eu"))]);
    house.eu.will([session("eu")]);
    assert_eq!(house.outcome(login_as("shopxo", "13800138002")).await.1.routed, None);
    house.asked();
    // An account that is gone from there is not looked for by a second send.
    house.bench.clock.set(Moment::from_seconds(NOW + 3600));
    house.eu.will([bad(404, "account_not_found")]);
    let (outcome, record) = house.outcome(shopxo_send("13800138002")).await;
    assert_eq!(outcome, Outcome::Problem(ProblemCode::AccountNotFound));
    assert_eq!((record.hops, house.asked()), (0, [0, 1, 0]));
}

#[tokio::test]
async fn only_who_gets_in_teaches_and_a_wrong_memory_heals_in_one_call() {
    let house = canonical_house();
    let refused = || bad(401, "credentials_invalid");
    house.bench.upstream.will([wrong_region(Some("eu"))]);
    house.eu.will([refused()]);
    assert_eq!(house.outcome(login_of("shopxo")).await.0, Outcome::Problem(ProblemCode::CredentialsInvalid));
    assert_eq!(house.asked(), [1, 1, 0]);
    // A stranger's failed login taught nothing: home is asked first again.
    house.bench.upstream.will([wrong_region(Some("eu"))]);
    house.eu.will([session("eu")]);
    let (_, record) = house.outcome(login_of("shopxo")).await;
    assert_eq!((record.routed, house.asked()), (None, [1, 1, 0]));
    // The account moved home: not found there any more, home is asked in the same call.
    house.eu.will([bad(404, "account_not_found")]);
    house.bench.upstream.will([session("cn")]);
    let (outcome, record) = house.outcome(login_of("shopxo")).await;
    assert_eq!((outcome, record.hops), (Outcome::Success, 1));
    assert_eq!((record.region.as_deref(), house.asked()), (Some("cn"), [1, 1, 0]));
    house.bench.upstream.will([session("cn")]);
    let (_, record) = house.outcome(login_of("shopxo")).await;
    assert_eq!((record.routed, record.hops, house.asked()), (None, 0, [1, 0, 0]));
    // Somebody else's account of that name was learned: refused there once, and forgotten by that.
    house.bench.upstream.will([wrong_region(Some("eu"))]);
    house.eu.will([session("eu")]);
    house.outcome(login_of("shopxo")).await;
    house.eu.will([refused()]);
    house.outcome(login_of("shopxo")).await;
    assert_eq!(house.asked(), [1, 2, 0]);
    house.bench.upstream.will([session("cn")]);
    assert_eq!(house.outcome(login_of("shopxo")).await.0, Outcome::Success);
    // It moved on to a third region, which the one that was learned names.
    house.bench.upstream.will([wrong_region(Some("eu"))]);
    house.eu.will([session("eu")]);
    house.outcome(login_of("shopxo")).await;
    house.eu.will([wrong_region(Some("us"))]);
    house.us.will([session("us")]);
    assert_eq!(house.outcome(login_of("shopxo")).await.0, Outcome::Success);
    house.us.will([session("us")]);
    assert_eq!(house.outcome(login_of("shopxo")).await.1.routed, Some(RoutedBy::Learned));
}

#[tokio::test]
async fn what_was_learned_holds_for_a_day_and_never_answers_a_region_query() {
    let house = canonical_house();
    house.bench.upstream.will([wrong_region(Some("eu"))]);
    house.eu.will([session("eu")]);
    house.outcome(login_of("shopxo")).await;
    let query = request("GET", "/v1/region?phone=%2B8613800138001", &[], "");
    assert_eq!(house.bench.json(query).await["region"], "cn");
    house.bench.clock.set(Moment::from_seconds(NOW + 86_400));
    house.bench.upstream.will([session("cn")]);
    let (_, record) = house.outcome(login_of("shopxo")).await;
    assert_eq!(record.routed, None);
}

#[tokio::test]
async fn what_one_region_handed_out_with_a_code_is_not_shown_to_another() {
    let house = canonical_house();
    let sent = json!({"challenge": "c-cn", "expires_in": 300, "resend_in": 120}).to_string();
    house.bench.upstream.will([Ok((202, sent)), wrong_region(Some("eu"))]);
    assert_eq!(house.outcome(shopxo_send("13800138001")).await.0, Outcome::Success);
    house.eu.will([bad(422, "code_expired")]);
    let by_code = json!({"accounts": "13800138001", "verify": "1234", "type": "sms"}).to_string();
    let by_code = request("POST", "/api.php?s=user/login", &[("content-type", "application/json")], &by_code);
    let (outcome, record) = house.outcome(by_code).await;
    assert_eq!((outcome, record.hops), (Outcome::Problem(ProblemCode::CodeExpired), 1));
    let challenge = |upstream: &FakeUpstream| {
        let asked = upstream.asked.lock().unwrap().pop().unwrap();
        body(&asked)["verification"].get("challenge").cloned()
    };
    assert_eq!(challenge(&house.bench.upstream), Some(json!("c-cn")));
    assert_eq!(challenge(&house.eu), None);
}

#[tokio::test]
async fn a_session_is_shown_to_no_other_region_than_the_one_that_opened_it() {
    for dialect in CLIENTS {
        let house = canonical_house();
        house.bench.upstream.will([wrong_region(Some("eu"))]);
        house.eu.will([session("eu")]);
        let (response, _) = house.bench.call(login_of(dialect)).await;
        let token = token_of(dialect, &response);
        assert_eq!(house.asked(), [1, 1, 0], "{dialect}");
        // The region that opened it says now that the account lives in a third one.
        house.eu.will([wrong_region(Some("us"))]);
        let (outcome, record) = house.outcome(me_of(dialect, &token)).await;
        assert_eq!(outcome, Outcome::Problem(ProblemCode::WrongRegion), "{dialect}");
        assert_eq!((record.hops, house.asked()), (0, [0, 1, 0]), "{dialect}");
    }
}

#[tokio::test]
async fn an_e_mail_address_that_somebody_only_says_to_have_teaches_nothing() {
    let house = canonical_house();
    house.bench.upstream.will([wrong_region(Some("us"))]);
    house.us.will([session("us")]);
    let (response, _) = house.bench.call(login_of("discuzq")).await;
    let answer: Value = serde_json::from_slice(response.body()).unwrap();
    let refresh = json!({"data": {"attributes": answer["data"]["attributes"]}}).to_string();
    let Ok((status, renewed)) = session("us-2") else { panic!("an answer") };
    let mut renewed: Value = serde_json::from_str(&renewed).unwrap();
    renewed["account"] = json!({"id": "7", "email": "victim@example.com"});
    house.us.will([Ok((status, renewed.to_string()))]);
    let json = [("content-type", "application/json")];
    assert_eq!(
        house.outcome(request("POST", "/api/refresh-token", &json, &refresh)).await.0,
        Outcome::Success
    );
    house.asked();
    house.bench.upstream.will([session("cn")]);
    let (outcome, record) = house.outcome(login_as("shopxo", "victim@example.com")).await;
    assert_eq!((outcome, record.routed), (Outcome::Success, None));
    assert_eq!(house.asked(), [1, 0, 0]);
}
