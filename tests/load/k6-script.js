// k6 run tests/load/k6-script.js            HOST=http://localhost:8080 names the server.
// k6 was not available where this was written: the script was not run; tsc with @types/k6 2.3 finds no fault in it.
import http from 'k6/http';
import { check, sleep } from 'k6';

const HOST = __ENV.HOST || 'http://localhost:8080';

export const options = {
  stages: [
    { duration: '2m', target: 100 },
    { duration: '5m', target: 100 },
    { duration: '2m', target: 0 },
  ],
  thresholds: {
    http_req_duration: ['p(99)<500'],
    http_req_failed: ['rate<0.01'],
    checks: ['rate>0.99'],
  },
};

export default function () {
  const answer = http.get(`${HOST}/api/health`);
  check(answer, {
    'status is 200': (r) => r.status === 200,
    'response time < 200ms': (r) => r.timings.duration < 200,
  });
  sleep(1);
}
