/** What the caller gets: images that are there when success is visible, and are the same in storm and calm. */
import {
  acceptedJobs,
  entriesOf,
  finalJobs,
  type Evidence,
  type FinalJob,
  type Findings,
} from '../evidence.ts';

/** The images were fetched and hashed the moment a success was heard of. */
export function imagesAreReadableBeforeSuccessIsVisible(evidence: Evidence): Findings {
  const witnesses = entriesOf(evidence, 'witness');
  const faults = witnesses.flatMap(({ id, fault }) => (fault === null ? [] : [`${id}: ${fault}`]));
  return { examined: witnesses.length, of: 'successes', faults };
}

export function imagesMatchTheirDigests(evidence: Evidence): Findings {
  const succeeded = succeededJobs(evidence);
  const faults = succeeded.flatMap(({ record, images }) => {
    if (images.length !== record.params.seeds.length) {
      return [`${record.id} has ${images.length} images of ${record.params.seeds.length}`];
    }
    return images.flatMap((image) =>
      image.actualSha256 === image.claimedSha256
        ? []
        : [`${record.id} image ${image.n} is ${image.actualSha256 ?? 'missing'}, not ${image.claimedSha256}`],
    );
  });
  return { examined: succeeded.reduce((sum, job) => sum + job.images.length, 0), of: 'images', faults };
}

/** Same request, same seed, same image: crashes, takeovers and strangers in the batch leave no trace in it. */
export function imagesEqualThoseOfACalmRun(evidence: Evidence): Findings {
  const settings = new Map(entriesOf(evidence, 'submit').map((entry) => [entry.key, entry.setting]));
  const jobs = finalJobs(evidence);
  let examined = 0;
  const faults: string[] = [];
  for (const [id, key] of acceptedJobs(evidence)) {
    const job = jobs.get(id);
    const setting = settings.get(key);
    if (job?.record.state !== 'succeeded' || setting === undefined) continue;
    for (const image of job.images) {
      examined += 1;
      const calm = evidence.expected[setting][image.n];
      if (image.actualSha256 !== calm) faults.push(`${id} (${setting}) image ${image.n} differs from calm`);
    }
  }
  return { examined, of: 'images', faults };
}

export function succeededJobs(evidence: Evidence): FinalJob[] {
  return evidence.end.jobs.filter((job) => job.record.state === 'succeeded');
}
