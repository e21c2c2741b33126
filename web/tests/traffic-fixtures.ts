import { list } from './support'

export const PROJECT = { id: 3, name: 'Shop', organisation: 5 }
export const common = {
  'GET project/3/': PROJECT,
  'GET organisation/': list([{ id: 5, name: 'Books', role: 'owner' }]),
}
export const slot = (id: number, name: string, weight: number, is_active = true) => ({
  id,
  project: 3,
  name,
  trained_model: 7,
  weight,
  is_active,
  is_shadow: false,
  ins_datetime: '',
  updated_at: '',
})
export const MODEL = { id: 7, status: 'COMPLETED', recommender_class_name: 'IALSRecommender' }
