POST /api/user/login
Content-Type: application/json

{"appid": "McFJj4Noke1mGDZCR1QarGW7P9Ycp0Vr", "phoneNumber": "+8613123456789", "password": "12345678", "ts": 1558004249, "version": 8, "nonce": "q3wz95p6"}