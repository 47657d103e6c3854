/** One measure: its name, the number of now or of the day, and its course. */

import type { ReactNode } from "react";
import { MiniChart } from "@/kit/MiniChart";
import { type Course, rangeOf } from "./activity";

type Props = {
  title: string;
  tone: string;
  now: string;
  course: Course;
  format: (value: number) => string;
  /** In place of the title: where its details are. */
  link?: ReactNode;
};

export function Figure({ title, tone, now, course, format, link }: Props) {
  const range = rangeOf(course, format);
  return (
    <li className="figure">
      <span className="figure-title">{link ?? title}</span>
      <strong className="figure-number">{now}</strong>
      <MiniChart values={course} tone={tone} label={`${title}: ${range}`} />
      <span className="faint figure-range">{range}</span>
    </li>
  );
}
